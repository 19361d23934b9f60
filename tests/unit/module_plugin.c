/* SPDX-License-Identifier: MIT
 *
 * A library that test_modules loads and unloads; compiled twice, with different PLUGIN numbers and
 * the same layout, so that the second takes the first one's place. */
int plugin_call(void (*leaf)(void));

int plugin_call(void (*leaf)(void))
{
    leaf();
    return PLUGIN;
}
