/* SPDX-License-Identifier: MIT
 *
 * What a plugin that is loaded, called and unloaded leaves behind. The loader allocates for itself
 * too, hence no totals.
 *
 * argument: samples/libsample_plugin.so
 * leak: blocks=7 bytes=707 stack=plugin_lose < plugin_run < call_plugin < main
 */
#include <dlfcn.h>
#include <stdio.h>

static volatile int steps;

__attribute__((noinline)) static int call_plugin(const char *path)
{
    void *plugin = dlopen(path, RTLD_NOW);
    if (!plugin) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    void (*plugin_run)(int) = (void (*)(int))dlsym(plugin, "plugin_run");
    if (plugin_run)
        plugin_run(7);
    steps++;
    return dlclose(plugin) != 0 || !plugin_run;
}

int main(int argc, char **argv)
{
    return argc == 2 ? call_plugin(argv[1]) : 2;
}
