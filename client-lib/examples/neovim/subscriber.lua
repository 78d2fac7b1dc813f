-- Prints what is published: nvim --headless -S subscriber.lua [PATTERN], by default news.>
package.path = vim.fn.expand('<sfile>:p:h') .. '/?.lua;' .. package.path
local pattern = vim.fn.argc() > 0 and vim.fn.argv(0) or 'news.>'

local function quit(why)
  io.stderr:write(why, '\n')
  vim.cmd('cquit')
end

require('bus').connect(quit):subscribe(pattern, function(subject, ...)
  io.write(table.concat(vim.tbl_map(tostring, { subject, ... }), ' '), '\n')
  io.flush()
end)
