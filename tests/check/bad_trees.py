"""Small trees that break a rule of tests/check/tidy: {rule: [tree, ...]}, a tree is {path: text}.
Each must be found. (Words that the rules forbid are put together here, so that they are not found
in this file.)"""

HEADER = "/* x.h: a header. */\n#ifndef X_H\n#define X_H\n%s\n#endif\n"
PUBLIC = "client-lib/include/panpipe/x.h"
OPEN = '#ifdef __cplusplus\nextern "C" {\n#endif\n'
CLOSE = "#ifdef __cplusplus\n}\n#endif\n"
LONG = "int f(void)\n{\n" + "    g();\n" * 58 + "}\n"  # 61 lines


def source(path, line):
    return {path: "/* A file. */\n" + line + "\n"}


def include(path, target):
    """path includes target, which is there."""
    name = target[len("client-lib/") :] if target.startswith("client-lib/") else target
    return {**source(path, f'#include "{name}"'), target: HEADER % ""}


BAD_TREES = {
    "layers_include_downwards_only": [
        include("client-lib/base/a.c", "client-lib/io/x.h"),
        include("client-lib/wire/a.c", "client-lib/io/x.h"),
        include("client-lib/io/a.c", "client-lib/wire/x.h"),
        include("client-lib/io/a.c", "client-lib/io/linux/x.h"),
        include("client-lib/io/win/a.c", "client-lib/io/linux/x.h"),
        include("client-lib/link/a.c", "client-lib/client/x.h"),
        include("client-lib/client/a.c", "broker/x.h"),
        include("broker/a.c", "client-lib/client/x.h"),
        include("tools/a.c", "client-lib/base/x.h"),
        include("tools/a.c", "client-lib/io/x.h"),
        include("tools/a.c", "broker/x.h"),
        include("broker/a.c", "tests/x.h"),
        include("elsewhere/a.c", "client-lib/base/x.h"),
        source("tools/a.c", '#include "missing.h"'),
    ],
    "no_headers_include_each_other_in_a_circle": [
        {
            "client-lib/base/a.h": HEADER % '#include "base/b.h"',
            "client-lib/base/b.h": HEADER % '#include "base/a.h"',
        },
        {
            "client-lib/include/panpipe/a.h": HEADER % "#include <panpipe/b.h>",
            "client-lib/include/panpipe/b.h": HEADER % "#include <panpipe/a.h>",
        },
    ],
    "only_the_platform_folders_know_the_operating_system": [
        source("client-lib/io/a.c", "#include <unistd.h>"),
        source("client-lib/base/a.c", "#include <sys/types.h>"),
        source("broker/a.c", "# include <windows.h>"),
        source("tests/unit/a.c", "#include <pthread.h>"),
        source("broker/a.c", "#include <jansson.h>"),
        source("tools/a.c", "#ifdef _WIN32\n#endif"),
        source("client-lib/io/a.h", "#if defined(__linux__)\n#endif"),
        source("tests/io/a.c", "#define _GNU_SOURCE"),
    ],
    "public_headers_need_nothing_but_c_and_each_other": [
        {PUBLIC: HEADER % '#include "base/buf.h"'},
        {PUBLIC: HEADER % "#include <stdlib.h>"},
        {PUBLIC: HEADER % "#include <msgpack.h>"},
    ],
    "public_headers_compile_alone_as_c_and_as_cpp": [
        {PUBLIC: HEADER % "int pp_f(void);"},
        {PUBLIC: HEADER % (OPEN + "size_t pp_f(void);\n" + CLOSE)},
        {PUBLIC: HEADER % (OPEN + "int pp_f(int class);\n" + CLOSE)},
        {PUBLIC: HEADER % (OPEN + "int pp_f(void)\n" + CLOSE)},
    ],
    "every_public_function_is_explained": [
        {PUBLIC: HEADER % "\nint pp_f(void);"},
        {PUBLIC: HEADER % "/* About g. */\nint pp_g(void);\n\nint pp_f(int a,\n         int b);"},
        {PUBLIC: HEADER % "/* --- a section --- */\nstatic inline char *pp_f(void)\n{\n}"},
    ],
    "every_public_function_is_used_by_a_test_a_tool_or_an_example": [
        {PUBLIC: HEADER % "int pp_f(void);", "tests/a.c": "/* pp_f */\nint a = pp_ff();\n"},
        {PUBLIC: HEADER % "int pp_f(void);", "broker/a.c": "int a = pp_f();\n"},
    ],
    "a_function_fits_a_screen": [source("broker/a.c", LONG)],
    "a_file_is_one_thing": [source("broker/a.c", "int a;\n" * 500)],
    "lines_are_short_and_end_where_they_seem_to": [
        source("broker/a.c", "int " + "a" * 96 + ";"),
        {"tests/a.py": "pass"},
        {"tests/run": "if true; then\n\techo\n"},
        {"README.md": "words \n"},
    ],
    "a_header_guards_itself": [
        {"broker/x.h": "/* x.h */\nint f(void);\n"},
        {"broker/x.h": "/* x.h */\n#ifndef X_H\n#define Y_H\n#endif\n"},
        {"broker/x.h": HEADER % "", "broker/y.h": HEADER % ""},
        {"broker/x.h": HEADER % "" + "int f(void);\n"},
    ],
    "every_c_file_says_what_it_is_for": [
        {"broker/a.c": "int a;\n"},
        {"broker/x.h": "#ifndef X_H\n#define X_H\n#endif\n"},
    ],
    "python_has_no_name_that_is_missing_or_not_used": [
        {"tests/a.py": "import os\n"},
        {"tests/a": "#!/usr/bin/env python3\nprint(gone())\n"},
    ],
    "the_formatter_has_nothing_to_change": [
        {".clang-format": "BasedOnStyle: LLVM\n", **source("broker/a.c", "int  a;")},
    ],
    "nothing_is_left_for_later": [
        source("broker/a.c", "/* TO" + "DO: more */"),
        {"README.md": "FIX" + "ME\n"},
        {"tests/run": "# X" + "XX\n"},
    ],
    "no_path_of_somebodys_machine_is_named": [
        source("broker/a.c", "/* see /wo" + "rk/notes */"),
        {"README.md": "cd /ho" + "me/ann/panpipe\n"},
        {"tests/run": 'cp "/tmp/w' + 't/main/x" .\n'},
    ],
    "every_folder_that_needs_one_has_a_readme": [{"README.md": "words\n"}],
}
