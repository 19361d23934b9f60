/* SPDX-License-Identifier: MIT */
#include "report/function_name.h"

#include "util/utf8.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define ANONYMOUS "(anonymous namespace)"

enum level {
    WHOLE,
    STANDARD_NAMES,
    NO_PARAMETERS,
    NO_RETURN_TYPE,
    NO_ARGUMENTS, /* but for the brackets that the name begins with, in Rust: <TYPE>::function */
    NO_TYPE,
    LEVELS
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

/* Bytes of "operator<<" and its kind at `p`, which stands in `name`; 0 if there is none. Its
 * brackets are no brackets. */
static size_t operator_length(const char *name, const char *p)
{
    size_t length = strlen("operator");
    if (!begins(p, "operator") || in_word(p[length]) || (p > name && in_word(p[-1])))
        return 0;
    if (begins(p + length, "()"))
        return length + 2;
    return length + strspn(p + length, "<>=-+*/%&|^!~,[]");
}

/* How the library calls its own types, and what people call them. The longer ones first. */
static void use_standard_names(struct strbuf *out, const char *name)
{
    static const char *const names[][2] = {
        {"std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
         "std::string"},
        {"std::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string"},
        {"std::__cxx11::", "std::"},
        {"std::__1::", "std::"},
    };
    while (*name) {
        size_t i = 0, count = sizeof names / sizeof names[0];
        while (i < count && !begins(name, names[i][0]))
            i++;
        if (i < count) {
            strbuf_adds(out, names[i][1]);
            name += strlen(names[i][0]);
        } else {
            strbuf_addc(out, *name++);
        }
    }
}

/* Copies the name without what stands in round brackets, and (`arguments`) in angle ones, but for
 * (`type`) the pair that it begins with. Returns the offset in the copy where the function's own
 * name begins, behind a return type. */
static size_t collapse(struct strbuf *out, const char *name, bool arguments, bool type)
{
    size_t own = 0;
    const char *first = type && *name == '<' ? name : NULL;
    bool in_first = first != NULL;
    int depth = 0;      /* of brackets whose content is left out */
    int kept = 0;       /* of angle brackets whose content is kept */
    bool named = false; /* an operator or the parameters have been met */
    for (const char *p = name; *p;) {
        size_t length = operator_length(name, p);
        if (length == 0 && begins(p, ANONYMOUS))
            length = strlen(ANONYMOUS);
        else if (length > 0 && depth == 0 && kept == 0)
            named = true;
        if (length > 0) {
            if (depth == 0)
                strbuf_add(out, p, length);
            p += length;
            continue;
        }
        bool arrow = *p == '>' && p > name && p[-1] == '-';
        bool opens = (*p == '(' && kept == 0) || (*p == '<' && arguments && p != first);
        bool closes = (*p == ')' && kept == 0) || (*p == '>' && arguments && !arrow);
        if (!arguments && *p == '<')
            kept++;
        else if (!arguments && *p == '>' && !arrow && kept > 0)
            kept--;
        if (closes && depth > 0)
            depth--;
        else if (closes)
            in_first = false;
        if (depth == 0)
            strbuf_addc(out, *p);
        if (depth == 0 && kept == 0 && !in_first && *p == ' ' && !named)
            own = out->length;
        if (opens) {
            bool empty = p[1] == (*p == '(' ? ')' : '>');
            if (depth++ == 0 && !empty)
                strbuf_adds(out, "…");
            named = named || (*p == '(' && p > name && p[-1] != ' '); /* not decltype (x) */
        }
        p++;
    }
    return own;
}

static void make_form(struct strbuf *out, const char *name, enum level level)
{
    struct strbuf standard = {0}, collapsed = {0};
    if (level == WHOLE) {
        strbuf_adds(out, name);
        return;
    }
    use_standard_names(&standard, name);
    if (level == STANDARD_NAMES) {
        strbuf_adds(out, standard.text ? standard.text : "");
    } else {
        size_t own = collapse(&collapsed, standard.text ? standard.text : "", level >= NO_ARGUMENTS,
                              level == NO_ARGUMENTS);
        strbuf_adds(out, collapsed.text ? collapsed.text + (level > NO_PARAMETERS ? own : 0) : "");
    }
    strbuf_release(&standard);
    strbuf_release(&collapsed);
}

void function_name_fit(struct strbuf *out, const char *name, size_t columns)
{
    struct strbuf form = {0};
    for (int level = WHOLE; level < LEVELS; level++) {
        strbuf_reset(&form);
        make_form(&form, name, (enum level)level);
        if (form.length == 0 || utf8_width(form.text, form.length) <= columns)
            break;
    }
    strbuf_add(out, form.text ? form.text : "", form.length);
    strbuf_release(&form);
}
