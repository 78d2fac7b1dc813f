/* text.c: text is UTF-8 outside of the library and UTF-16 in calls of the system. */
#include "io/win/win.h"

#include <errno.h>
#include <stdio.h>
#include <wchar.h>

#include <panpipe/sys.h>

#include "base/compiler.h"

bool ppi_wide(const char *text, wchar_t *wide, size_t size)
{
    return MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, (int)size) > 0;
}

bool ppi_narrow(const wchar_t *wide, char *text, size_t size)
{
    return WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, (int)size, NULL, NULL) > 0;
}

FILE *pp_file_open(const char *path, const char *mode)
{
    wchar_t wide_path[MAX_PATH], wide_mode[8];

    if (ppi_wide(path, wide_path, PPI_COUNT(wide_path)) &&
        ppi_wide(mode, wide_mode, PPI_COUNT(wide_mode)))
        return _wfopen(wide_path, wide_mode);
    errno = EINVAL;
    return NULL;
}
