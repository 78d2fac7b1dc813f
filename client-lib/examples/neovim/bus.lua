-- A client of Panpipe inside Neovim, with what Neovim has: vim.loop and vim.mpack. Copy it to
-- ~/.config/nvim/lua, then:
--
--     local bus = require('bus').connect()
--     bus:subscribe('news.>', function(subject, text) vim.notify(text) end)
--     bus:serve('svc.sum', function(subject, a, b) return a + b end)
--     bus:call('other.service', { 1, 'two' }, function(err, result) print(err or result) end)
--     bus:publish('news.neovim', { 42 })
--
-- Nothing waits; handlers run in Neovim's main loop. For calling services and for serving Neovim's
-- own functions its channels are enough: see channel.vim.
local Bus = {}
Bus.__index = Bus

-- Through the program panpipe, which knows where the broker is.
function Bus.connect(on_end) -- called with why; by default an error message
  local self = setmetatable({ handlers = {} }, Bus)
  self.session = vim.mpack.Session({ unpack = vim.mpack.Unpacker() })
  self.input, self.output = vim.loop.new_pipe(), vim.loop.new_pipe()
  self.process = assert(vim.loop.spawn('panpipe', {
    args = { 'stdio' },
    stdio = { self.input, self.output, 2 },
  }, function() self.process:close() end))
  self.output:read_start(vim.schedule_wrap(function(_, data)
    if not data then return (on_end or error)('the broker has closed the connection') end
    self:receive(data)
  end))
  return self
end

function Bus:send(...) -- what the session makes of a message's head, and values
  self.input:write(table.concat({ ... }))
end

function Bus:publish(subject, params)
  self:send(self.session:notify(), vim.mpack.encode(subject), vim.mpack.encode(params))
end

function Bus:call(subject, params, done)
  self:send(self.session:request(done), vim.mpack.encode(subject), vim.mpack.encode(params))
end

function Bus:subscribe(pattern, handler, method)
  self:call(method or '$sub', { pattern, { form = 'rich' } }, function(err, id)
    if err then error(err) end
    self.handlers[id] = handler
  end)
end

function Bus:serve(pattern, handler)
  self:subscribe(pattern, handler, '$serve')
end

-- Takes what has come: messages, which may be cut anywhere. A rich message is '$msg' with { id,
-- subject, params }, a rich call '$call' with the same.
function Bus:receive(data)
  local from, kind, what, a, b = 1, nil, nil, nil, nil
  while from <= #data do
    kind, what, a, b, from = self.session:receive(data, from)
    if kind == 'response' then -- what: the function that waits for it, a: error, b: result
      what(a ~= vim.NIL and a or nil, b)
    elseif kind == 'notification' and a == '$msg' then
      self.handlers[b[1]](b[2], unpack(b[3]))
    elseif kind == 'request' then -- what: the number for the answer
      local ok, result = pcall(self.handlers[b[1]], b[2], unpack(b[3]))
      local nothing = vim.mpack.encode(vim.NIL)
      result = result == nil and nothing or vim.mpack.encode(result)
      self:send(self.session:reply(what), ok and nothing or result, ok and result or nothing)
    end
  end
end

return Bus
