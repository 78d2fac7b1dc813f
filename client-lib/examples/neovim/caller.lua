-- Calls a service: nvim --headless -S caller.lua SUBJECT [NUMBER...]
package.path = vim.fn.expand('<sfile>:p:h') .. '/?.lua;' .. package.path
local subject, numbers = vim.fn.argv(0), vim.tbl_map(tonumber, vim.list_slice(vim.fn.argv(), 2))

require('bus').connect():call(subject, numbers, function(err, result)
  io[err and 'stderr' or 'stdout']:write(tostring(err or result), '\n')
  vim.cmd(err and 'cquit' or 'qall!')
end)
