/* model_main_win.c: the model's tests on Windows, or on Wine, which says that it is. */
#include "nt/model_support.h"
#include "nt/model_tests.h"

int waiters_of(HANDLE port)
{
    (void)port;
    return -1;
}

int main(void)
{
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    int on_wine = ntdll != NULL && GetProcAddress(ntdll, "wine_get_version") != NULL;

    return model_tests(on_wine) == 0 ? 0 : 1;
}
