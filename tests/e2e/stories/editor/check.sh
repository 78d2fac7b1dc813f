#!/bin/sh
# check.sh: compiles what the editor saves, and puts the errors into its quickfix list.
panpipe sub editor.saved | while read -r file; do
  cc -fsyntax-only "$file" 2>errors
  panpipe req nvim_command 'cgetfile errors'
done
