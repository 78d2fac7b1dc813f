-- Calls a service: nvim --headless -S caller.lua SUBJECT [NUMBER...]
package.path = vim.fn.expand('<sfile>:p:h') .. '/?.lua;' .. package.path
local subject, numbers = vim.fn.argv(0), vim.tbl_map(tonumber, vim.list_slice(vim.fn.argv(), 2))

local function quit(why)
  io.stderr:write(why, '\n')
  vim.cmd('cquit')
end

require('bus').connect(quit):call(subject, numbers, function(err, result)
  if err then quit(err) end
  io.write(tostring(result), '\n')
  vim.cmd('qall!')
end)
