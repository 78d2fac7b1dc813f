/* files.c: a user's program, in C and in C++: writes a file on a port, reads it, and removes it. */
#include <stdio.h>

#include <panpipe/file.h>

int main(void)
{
    const uint32_t flags = PP_FILE_READ | PP_FILE_WRITE | PP_FILE_NEW;
    pp_op op = PP_OP_INIT;
    char bytes[5];
    pp_handle *file;
    pp_packet packet;
    pp_port *port;

    if (pp_port_open(&port, NULL) != PP_OK || pp_file_open(&file, "a-file", flags) != PP_OK ||
        pp_port_attach(port, file, 0) != PP_OK ||
        pp_file_write_at(file, &op, "hello", 5, 0) != PP_PENDING ||
        pp_port_get(port, &packet, -1) != 1 || packet.status != PP_OK ||
        pp_file_read_at(file, &op, bytes, 5, 0) != PP_PENDING ||
        pp_port_get(port, &packet, -1) != 1 || packet.bytes != 5)
        return 1;
    pp_close(file);
    pp_port_shutdown(port, PP_SHUT_FAST, -1, NULL, NULL);
    pp_port_close(port);
    return remove("a-file") != 0;
}
