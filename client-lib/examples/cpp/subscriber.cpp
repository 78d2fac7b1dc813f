// Prints what is published: subscriber [PATTERN], by default news.>
#include <cstdio>

#include <panpipe/pack.h>

int main(int argc, char **argv)
{
    pp_client *client = nullptr;
    pp_sub *sub = nullptr;
    pp_message message;

    if (pp_client_open(&client, nullptr) != PP_OK ||
        pp_subscribe(client, nullptr, argc > 1 ? argv[1] : "news.>", nullptr, &sub) != PP_OK) {
        std::fprintf(stderr, "subscriber: %s\n", pp_detail());
        return 1;
    }
    while (pp_receive(sub, nullptr) == PP_OK) {
        while (pp_next(sub, &message) == 1) {
            msgpack_unpacked params;

            msgpack_unpacked_init(&params);
            if (pp_message_unpack(&message, &params)) {
                std::printf("%.*s ", static_cast<int>(message.subject_length), message.subject);
                msgpack_object_print(stdout, params.data);
                std::printf("\n");
                std::fflush(stdout);
            }
            msgpack_unpacked_destroy(&params);
        }
    }
    pp_client_close(client);
    std::fprintf(stderr, "subscriber: the client has ended\n");
    return 1;
}
