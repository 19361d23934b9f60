/* SPDX-License-Identifier: MIT */
#include "analysis/frag_metrics.h"

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static void find_trough(struct frag_metrics *m, const struct frag_rows *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (all[i].live_requested > all[m->peak].live_requested)
            m->peak = i;
    m->trough = m->peak;
    for (size_t i = m->peak; i < count; i++)
        if (all[i].live_requested < all[m->trough].live_requested)
            m->trough = i;
    const struct frag_rows *low = &all[m->trough], *high = &all[m->peak];
    m->has_trough = low->live_requested <= high->live_requested / 100 * FRAG_TROUGH_PERCENT;
    uint64_t heap = frag_rows_heap(low);
    m->retained_bytes = heap > low->requested ? heap - low->requested : 0;
    m->retained_percent = percent((double)m->retained_bytes, (double)frag_rows_heap(high));
}

void frag_metrics(struct frag_metrics *m, const struct frag_rows *instants, size_t count,
                  size_t shown, uint64_t peak_requested)
{
    const struct frag_rows *now = &instants[shown], *most = instants;
    *m = (struct frag_metrics){0};
    for (size_t i = 0; i < count; i++)
        if (frag_rows_heap(&instants[i]) > frag_rows_heap(most))
            most = &instants[i];
    double used = (double)now->live_page_bytes;
    m->page_occupancy = percent(used, (double)now->live_pages * PAGES_BYTES);
    m->huge_page_occupancy = percent(used, (double)now->live_huge * PAGES_REGION_BYTES);
    m->internal =
        percent((double)(now->live_usable - now->live_requested), (double)now->live_usable);
    double heap = (double)frag_rows_heap(most);
    m->johnstone_wilson_3 = percent(heap, (double)most->live_requested) - 100;
    m->johnstone_wilson_4 = percent(heap, (double)peak_requested) - 100;
    find_trough(m, instants, count);
}
