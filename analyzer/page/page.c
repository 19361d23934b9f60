/* SPDX-License-Identifier: MIT
 *
 * A section stands in the page as <script type="application/octet-stream" data-section="NAME">,
 * compressed as zlib does, which browsers undo by themselves, in base64. */
#include "page/page.h"

#include "util/mem.h"
#include "web_page.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PLACE "<!--DATA-->" /* of the sections in the page */

static void add_base64(struct strbuf *out, const uint8_t *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t v = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (left > 2 ? bytes[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                        left > 2 ? digits[v & 63] : '='};
        strbuf_add(out, four, 4);
    }
}

static enum seep_err add_section(struct strbuf *out, const char *name, const struct strbuf *bytes,
                                 struct err *err)
{
    uLongf length = compressBound(bytes->length);
    uint8_t *packed = mem_alloc(length);
    if (compress2(packed, &length, (const Bytef *)bytes->text, bytes->length,
                  Z_DEFAULT_COMPRESSION) != Z_OK) {
        free(packed);
        return err_set(err, SEEP_ERR_MEMORY, ERR_NO_OFFSET, "section %s", name);
    }
    strbuf_addf(out, "<script type=\"application/octet-stream\" data-section=\"%s\">", name);
    add_base64(out, packed, length);
    strbuf_adds(out, "</script>\n");
    free(packed);
    return SEEP_OK;
}

static enum seep_err add_sections(struct strbuf *out, struct page_job *job, struct err *err)
{
    enum seep_err code = page_job_read(job, err);
    for (const struct page_section *const *s = page_sections; !code && *s; s++) {
        struct strbuf bytes = {0};
        code = trace_reader_rewind(job->reader, err);
        if (!code)
            code = (*s)->make(job, &bytes, err);
        if (!code && bytes.length)
            code = add_section(out, (*s)->name, &bytes, err);
        strbuf_release(&bytes);
    }
    page_job_release(job);
    return code;
}

bool page_available(void)
{
    return web_page[0] != '\0';
}

enum seep_err page_write(struct strbuf *out, struct page_job *job, struct err *err)
{
    const char *place = strstr(web_page, PLACE);
    if (!place)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "this seep has no page");
    strbuf_add(out, web_page, (size_t)(place - web_page));
    enum seep_err code = add_sections(out, job, err);
    strbuf_adds(out, place + strlen(PLACE));
    return code;
}
