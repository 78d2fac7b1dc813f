// Serves svc.sum, which adds numbers, and publishes each sum as news.sum. Runs until it is ended.
#include <condition_variable>
#include <iostream>
#include <mutex>

#include <panpipe/pack.h>

namespace
{

std::mutex lock;
std::condition_variable changed;
bool over = false;

bool add(const msgpack_object_array &numbers, int64_t &sum)
{
    for (uint32_t i = 0; i < numbers.size; i++) {
        const msgpack_object &number = numbers.ptr[i];

        if (number.type != MSGPACK_OBJECT_POSITIVE_INTEGER &&
            number.type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
            return false;
        sum += number.via.i64;
    }
    return true;
}

void on_call(void *context, const pp_message *call)
{
    pp_client *client = *static_cast<pp_client **>(context);
    msgpack_unpacked params;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    int64_t sum = 0;

    msgpack_unpacked_init(&params);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    if (pp_message_unpack(call, &params) && add(params.data.via.array, sum)) {
        msgpack_pack_array(&packer, 1);
        msgpack_pack_int64(&packer, sum);
        pp_publish_packed(client, "news.sum", &buffer);
        pp_reply(client, call->call, buffer.data + 1, buffer.size - 1); // without the array
    } else {
        pp_reply_error(client, call->call, "E_ARG numbers only");
    }
    msgpack_sbuffer_destroy(&buffer);
    msgpack_unpacked_destroy(&params);
}

void on_closed(void *, pp_client *, int)
{
    std::lock_guard<std::mutex> guard(lock);
    over = true;
    changed.notify_one();
}

} // namespace

int main()
{
    pp_client *client = nullptr;
    pp_sub *service = nullptr;
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_serve_config serve = PP_SERVE_CONFIG_INIT;

    config.on_closed = on_closed;
    serve.on_call = on_call;
    serve.context = &client;
    if (pp_client_open(&client, &config) != PP_OK ||
        pp_serve(client, nullptr, "svc.sum", &serve, &service) != PP_OK) {
        std::cerr << "service: " << pp_detail() << '\n';
        return 1;
    }
    std::unique_lock<std::mutex> guard(lock);
    changed.wait(guard, [] { return over; });
    guard.unlock();
    pp_client_close(client);
    std::cerr << "service: the client has ended\n";
    return 1;
}
