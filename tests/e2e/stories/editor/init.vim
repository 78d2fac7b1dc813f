" Tells everybody what is saved, and lets everybody run commands and look things up here. What is
" served may be used at once, so that comes last.
let bus = jobstart(['panpipe', 'stdio'], {'rpc': v:true})
autocmd BufWritePost *.c call rpcnotify(bus, 'editor.saved', expand('%:p'))
call rpcrequest(bus, '$serve', 'nvim_command')
call rpcrequest(bus, '$serve', 'nvim_eval')
