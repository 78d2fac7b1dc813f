// Calls a service: caller SUBJECT [NUMBER...], as in caller svc.sum 1 2 39
#include <cstdlib>
#include <iostream>

#include <panpipe/pack.h>

int main(int argc, char **argv)
{
    pp_client *client = nullptr;
    pp_answer answer = {};
    msgpack_sbuffer params;
    msgpack_packer packer;
    msgpack_unpacked result;

    if (argc < 2 || pp_client_open(&client, nullptr) != PP_OK) {
        std::cerr << "caller: " << (argc < 2 ? "caller SUBJECT [NUMBER...]" : pp_detail()) << '\n';
        return 1;
    }
    msgpack_sbuffer_init(&params);
    msgpack_packer_init(&packer, &params, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, argc - 2);
    for (int i = 2; i < argc; i++)
        msgpack_pack_int64(&packer, std::atoll(argv[i]));
    int status = pp_call(client, nullptr, argv[1], params.data, params.size, nullptr, &answer);
    msgpack_sbuffer_destroy(&params);
    msgpack_unpacked_init(&result);
    if (status == PP_OK && pp_answer_unpack(&answer, &result)) {
        std::cout << result.data.via.i64 << std::endl;
    } else {
        char text[400];

        std::cerr << pp_client_error(client, text, sizeof text) << '\n';
    }
    msgpack_unpacked_destroy(&result);
    pp_answer_free(&answer);
    pp_client_close(client);
    return status == PP_OK ? 0 : 1;
}
