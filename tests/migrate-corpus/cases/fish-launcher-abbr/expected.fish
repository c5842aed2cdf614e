abbr -a glm 'ringlet exec --profile glm claude --'
abbr --add work -- ringlet exec --profile work claude -- -c
abbr -a gs git status
