" Neovim's own channels speak MessagePack-RPC, so a stock Neovim needs nothing else to call any
" service, and to let others use its API functions, by their names. Source this file.
let bus = jobstart(['panpipe', 'stdio'], {'rpc': v:true})
" To a socket, or a pipe:  sockconnect('pipe', trim(system('panpipe where')), {'rpc': v:true})

" What others can do from now on:
"     panpipe req nvim_eval "expand('%')"
"     panpipe pub nvim_command 'echo "news"'
call rpcrequest(bus, '$serve', 'nvim_eval')
call rpcrequest(bus, '$sub', 'nvim_command')

" What you can do:
"     :echo rpcrequest(bus, 'svc.sum', 1, 2, 39)
"     :call rpcnotify(bus, 'news.neovim', expand('%'))
command! -nargs=1 Publish call rpcnotify(bus, 'news.neovim', <q-args>)
