complete --keep-order --exclusive --command ringlet --arguments "(COMPLETE=fish ringlet -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
