alias glm ringlet exec --profile glm claude -- --verbose
alias work 'ringlet exec --profile work claude -- \!*'
set history = 100
