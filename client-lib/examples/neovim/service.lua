-- Serves svc.sum, which adds numbers, and publishes each sum as news.sum:
-- nvim --headless -S service.lua
package.path = vim.fn.expand('<sfile>:p:h') .. '/?.lua;' .. package.path
local bus = require('bus').connect(function(why)
  io.stderr:write(why, '\n')
  vim.cmd('cquit')
end)

bus:serve('svc.sum', function(_, ...)
  local sum = 0
  for _, number in ipairs({ ... }) do
    sum = sum + number -- an error is the caller's to hear
  end
  bus:publish('news.sum', { sum })
  return sum
end)
