#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/port.h>

#include "base/compiler.h"
#include "io/service.h"

enum { EXIT_USAGE = 2, EXIT_DENIED = 4, OPTIONS_MAX = 24 };

static const char usage[] =
    "usage: panpiped service install|uninstall|start|stop [--name SERVICE] [options of panpiped]\n"
    "\n"
    "The broker for all users of this machine as a Windows service, which starts with it. Options\n"
    "behind `install` are what the service is started with; a file for --config by its whole "
    "path.\n"
    "\n"
    "  --name SERVICE  what the service is called (default: panpiped)\n";

static int say(int status)
{
    const char *words = pp_detail();

    fprintf(stderr, "panpiped: service: %s\n", words[0] != '\0' ? words : pp_strerror(status));
    return status == PP_EINVAL || status == PP_ENOTSUP ? EXIT_USAGE
           : status == PP_EACCESS                      ? EXIT_DENIED
                                                       : EXIT_FAILURE;
}

static int complain(const char *why)
{
    fprintf(stderr, "panpiped: service: %s\npanpiped: see panpiped service --help\n", why);
    return EXIT_USAGE;
}

static bool is_whole(const char *path)
{
    return path[0] == '/' || path[0] == '\\' || (path[0] != '\0' && path[1] == ':');
}

/* A service starts in a folder of the system's. */
static bool has_short_path(const char *const *options)
{
    for (; *options != NULL; options++) {
        if (strncmp(*options, "--config=", 9) == 0 && !is_whole(*options + 9))
            return true;
        if (strcmp(*options, "--config") == 0 && options[1] != NULL && !is_whole(options[1]))
            return true;
    }
    return false;
}

static int find_verb(const char *word)
{
    static const char *const verbs[] = { "install", "uninstall", "start", "stop" };

    for (size_t i = 0; i < PPI_COUNT(verbs); i++)
        if (word != NULL && strcmp(word, verbs[i]) == 0)
            return (int)i;
    return -1;
}

int service_command(int argc, char **argv, bool (*check)(int argc, char **argv))
{
    char *options[OPTIONS_MAX + 2] = { argc > 0 ? argv[0] : NULL };
    const char *name = "panpiped";
    int verb = find_verb(argc > 0 ? argv[0] : NULL), count = 1;

    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    if (verb < 0)
        return complain("say install, uninstall, start or stop");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--name") == 0 && i + 1 < argc)
            name = argv[++i];
        else if (strncmp(argv[i], "--name=", 7) == 0)
            name = argv[i] + 7;
        else if (count <= OPTIONS_MAX)
            options[count++] = argv[i];
    }
    if (name[0] == '\0' || count > OPTIONS_MAX)
        return complain("--name wants a value, and options are 23 at most");
    if (verb != PPI_SERVICE_INSTALL && count > 1)
        return complain("options are for install");
    if (!check(count, options))
        return EXIT_USAGE;
    const char *const *own = (const char *const *)options + 1;
    if (has_short_path(own))
        return complain("a service starts in another folder: give --config the whole path");
    int status = ppi_service_control((enum ppi_service_verb)verb, name, own);
    return status == PP_OK ? EXIT_SUCCESS : say(status);
}
