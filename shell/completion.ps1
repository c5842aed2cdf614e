# Ringlet's completions for PowerShell: asks ringlet itself, with the words up to the cursor.
#
# src/shell fills this in and prints it as ASCII. ringlet is started through .NET: a native call would overwrite the
# user's $LASTEXITCODE, could throw under the native error preference, and would expand the words again.
Register-ArgumentCompleter -Native -CommandName 'ringlet', 'ringlet.exe' -ScriptBlock {
  param($word, $ast, $cursor)
  # If AppLocker or WDAC constrain the language, every method call throws. Then file names are completed.
  if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') { return }
  $line = '--'
  $open = $true
  foreach ($element in $ast.CommandElements) {
    $extent = $element.Extent
    if ($extent.StartOffset -ge $cursor) { break }
    if ($extent.EndOffset -ge $cursor) {
      # The word under the cursor, which may have an opening quote and no closing one.
      $text = $extent.Text.Substring(0, $cursor - $extent.StartOffset).TrimStart([char[]]@([char]0x22, [char]0x27))
      $open = $false
    } elseif ($element -is [System.Management.Automation.Language.StringConstantExpressionAst]) {
      $text = $element.Value
    } else {
      $text = $extent.Text
    }
    # One string for all arguments, quoted by the C runtime's rules, which .NET follows everywhere.
    $text = [regex]::Replace([regex]::Replace($text, '(\\*)"', '$1$1\"'), '(\\+)\z', '$1$1')
    $line += ' "' + $text + '"'
  }
  # If the cursor is after the last word, a new word begins. The syntax tree has no trailing blanks.
  if ($open) { $line += ' ""' }
  $errors = $global:Error.Count
  try {
    $info = [System.Diagnostics.ProcessStartInfo]::new('@ringlet@', $line)
    $info.UseShellExecute = $false
    $info.CreateNoWindow = $true
    $info.RedirectStandardInput = $true
    $info.RedirectStandardOutput = $true
    $info.RedirectStandardError = $true
    $info.StandardOutputEncoding = [System.Text.Encoding]::UTF8
    $info.WorkingDirectory = $ExecutionContext.SessionState.Path.CurrentFileSystemLocation.ProviderPath
    $info.EnvironmentVariables['@variable@'] = 'powershell'
    $process = [System.Diagnostics.Process]::Start($info)
    $process.StandardInput.Close()
    $process.BeginErrorReadLine()
    $said = $process.StandardOutput.ReadToEnd()
    $process.WaitForExit()
    $process.Dispose()
  } catch {
    if ($global:Error.Count -gt $errors) { $global:Error.RemoveAt(0) }
    return
  }
  foreach ($candidate in $said.Split([char]10)) {
    $value, $help = $candidate.TrimEnd([char]13).Split([char[]]@([char]9), 2)
    if (-not $value) { continue }
    if (-not $help) { $help = $value }
    $insert = $value
    if ($value -notmatch '\A[A-Za-z0-9_./\\:=+-]+\z') {
      # Every kind of single quote ends a string, and is escaped by doubling it.
      $insert = "'" + [regex]::Replace($value, "['\u2018-\u201b]", '$0$0') + "'"
    }
    [System.Management.Automation.CompletionResult]::new($insert, $value, 'ParameterValue', $help)
  }
}
