# Ringlet for PowerShell: an alias for each agent, and one line when another .ringlet.toml starts to govern.
#
# src/shell fills this in and prints it as ASCII. An agent's alias names a link to ringlet, because a function would
# change the arguments. .NET is called rather than cmdlets: the first cmdlet of a module costs tens of milliseconds.
# The block keeps its variables out of the profile's scope, except those that are declared global.
& {
  # If AppLocker or WDAC constrain the language, every method call throws. Then cmdlets make the aliases, and there is no
  # notice, since a search without methods would need a cmdlet for each level at every prompt.
  $full = $ExecutionContext.SessionState.LanguageMode -eq 'FullLanguage'
  $free = {
    param($name, $link)
    if (-not (Microsoft.PowerShell.Management\Test-Path -LiteralPath $link -PathType Leaf)) { return $false }
    if (Microsoft.PowerShell.Management\Test-Path -LiteralPath "Function:\$name") { return $false }
    if (-not (Microsoft.PowerShell.Management\Test-Path -LiteralPath "Alias:\$name")) { return $true }
    return ((Microsoft.PowerShell.Utility\Get-Alias -Name $name).Definition -ceq $link)
  }

  if ($full) {
    $items = $ExecutionContext.SessionState.InvokeProvider.Item

    # The prompt is captured once: a second capture would be this function itself, and recurse. `At` and `File` are null
    # until the first prompt, which only records the file that governs.
    if ($null -eq $ExecutionContext.SessionState.PSVariable.Get('global:__ringlet')) {
      $old = { 'PS> ' }
      if ($items.Exists('Function:\prompt')) { $old = $function:prompt }
      $global:__ringlet = @{ Prompt = $old; Links = @{}; At = $null; File = $null }

      function global:prompt {
        $ok = $?
        __ringlet_notice
        # Makes $? False again for the captured prompt, and leaves $Error unchanged. No statement may come in between.
        if (-not $ok) { Microsoft.PowerShell.Utility\Write-Error 'x' -ErrorAction Ignore }
        & $global:__ringlet.Prompt
      }
    }

    # Runs at every prompt, and returns at once if the location is the same. The process is started through .NET, so that it
    # changes neither $LASTEXITCODE nor $?, ignores the native error preference, and writes nothing to the pipeline.
    function global:__ringlet_notice {
      $state = $global:__ringlet
      $at = $ExecutionContext.SessionState.Path.CurrentLocation
      if ($at.Provider.Name -cne 'FileSystem' -or $at.ProviderPath -ceq $state['At']) { return }
      $state['At'] = $at.ProviderPath
      $ends = @('@ceilings@')
      $top = "$HOME".TrimEnd([System.IO.Path]::DirectorySeparatorChar)
      if ($top) { $ends += [System.IO.Path]::GetDirectoryName($top) }
      $found = ''
      $dir = $at.ProviderPath
      while ($dir) {
        if ($dir -cne $at.ProviderPath -and $ends -contains $dir) { break }
        $try = [System.IO.Path]::Combine($dir, '.ringlet.toml')
        if ([System.IO.File]::Exists($try)) { $found = $try; break }
        $dir = [System.IO.Path]::GetDirectoryName($dir)
      }
      $before = $state['File']
      $state['File'] = $found
      # without prompt
      if ($found -and $null -ne $before -and $found -cne $before -and [System.IO.File]::Exists('@ringlet@')) {
        $errors = $global:Error.Count
        try {
          $info = [System.Diagnostics.ProcessStartInfo]::new('@ringlet@', 'announce')
          $info.UseShellExecute = $false
          $info.WorkingDirectory = $at.ProviderPath
          $process = [System.Diagnostics.Process]::Start($info)
          $process.WaitForExit()
          $process.Dispose()
        } catch {
          if ($global:Error.Count -gt $errors) { $global:Error.RemoveAt(0) }
        }
      }
      # end
      # with prompt
      if ($found -cne $before) {
        $named = $null
        if ([System.IO.File]::Exists('@ringlet@')) {
          $errors = $global:Error.Count
          try {
            $info = [System.Diagnostics.ProcessStartInfo]::new('@ringlet@', 'announce --profile')
            $info.UseShellExecute = $false
            $info.RedirectStandardOutput = $true
            $info.RedirectStandardError = (-not $found) -or ($null -eq $before)
            $info.WorkingDirectory = $at.ProviderPath
            $process = [System.Diagnostics.Process]::Start($info)
            $named = $process.StandardOutput.ReadToEnd()
            $process.WaitForExit()
            $process.Dispose()
          } catch {
            if ($global:Error.Count -gt $errors) { $global:Error.RemoveAt(0) }
          }
        }
        if (-not $named) { $named = $null }
        [System.Environment]::SetEnvironmentVariable('RINGLET_PROFILE', $named)
      }
      # end
    }

    # Succeeds if Ringlet may define the alias: its link exists, and no function or other alias has the name.
    $free = {
      param($name, $link)
      if (-not [System.IO.File]::Exists($link) -or $items.Exists("Function:\$name")) { return $false }
      if (-not $items.Exists("Alias:\$name")) { return $true }
      $now = $items.Get("Alias:\$name")[0].Definition
      return ($now -ceq $link -or $now -ceq $global:__ringlet['Links'][$name])
    }
  }

  # each agent
  if (& $free '@agent@' '@link:@agent@@') {
    Microsoft.PowerShell.Utility\Set-Alias -Name @agent@ -Value '@link:@agent@@' -Scope Global -Force
    if ($full) { $global:__ringlet['Links']['@agent@'] = '@link:@agent@@' }
  }
  # end
}
