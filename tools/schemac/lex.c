/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and words. '#' starts a comment at the beginning of a word; a string may hold blanks and '#'. */
#include "schemac.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void fail(pos at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)fprintf(stderr, "%s:%d: ", at.file, at.line);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

void *alloc(size_t size)
{
	void *p = calloc(1, size == 0 ? 1 : size);
	if (p == NULL) {
		(void)fputs("schemac: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

char *copy(const char *s, size_t n)
{
	char *r = alloc(n + 1);
	memcpy(r, s, n);
	return r;
}

char *join(const char *a, const char *b, const char *c)
{
	size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
	char *r = alloc(size);
	(void)snprintf(r, size, "%s%s%s", a, b, c);
	return r;
}

void *grow(void *list, size_t *n, size_t size)
{
	void **at = list;
	/* Room for a power of two; a new one is needed when n is one. */
	if ((*n & (*n - 1)) == 0) {
		char *bigger = alloc((*n == 0 ? 1 : *n * 2) * size);
		if (*n != 0)
			memcpy(bigger, *at, *n * size);
		*at = bigger;
	}
	return (char *)*at + size * (*n)++; /* NOLINT(clang-analyzer-unix.Malloc): nothing is freed */
}

void push(void *list, size_t *n, void *element)
{
	void **slot = grow(list, n, sizeof(void *));
	*slot = element;
}

lexer lex_open(const char *file)
{
	FILE *f = fopen(file, "rb");
	pos at = {file, 0};
	if (f == NULL)
		fail(at, "cannot open");
	if (fseek(f, 0, SEEK_END) != 0)
		fail(at, "cannot read");
	long size = ftell(f);
	if (size < 0)
		fail(at, "cannot read");
	rewind(f);
	char *buf = alloc((size_t)size + 1);
	if (fread(buf, 1, (size_t)size, f) != (size_t)size)
		fail(at, "cannot read");
	(void)fclose(f);
	if (strlen(buf) != (size_t)size)
		fail(at, "holds a NUL byte");
	return (lexer){.file = file, .text = buf, .p = buf};
}

static char *word_end(pos at, char *p)
{
	bool in = false;
	for (; *p != 0 && *p != '\n'; p++) {
		if (in && *p == '\\' && p[1] != 0 && p[1] != '\n')
			p++;
		else if (*p == '"')
			in = !in;
		else if (!in && (*p == ' ' || *p == '\t'))
			break;
	}
	if (in)
		fail(at, "a string has no end");
	return p;
}

/* Cuts the line at l->p into words; false when it has none. */
static bool cut(lexer *l)
{
	l->cur = (line){.at = {l->file, ++l->line}, .indented = *l->p == ' ' || *l->p == '\t'};
	size_t n = 0;
	char **words = NULL;
	while (*l->p != 0 && *l->p != '\n') {
		if (*l->p == ' ' || *l->p == '\t') {
			l->p++;
			continue;
		}
		if (*l->p == '#') {
			l->p += strcspn(l->p, "\n");
			break;
		}
		char *end = word_end(l->cur.at, l->p);
		char **w = grow(&words, &n, sizeof *words);
		*w = copy(l->p, (size_t)(end - l->p));
		l->p = end;
	}
	if (*l->p == '\n')
		l->p++;
	l->cur.words = words;
	l->cur.n = (int)n;
	return n != 0;
}

line *lex_peek(lexer *l)
{
	while (!l->have) {
		if (*l->p == 0)
			return NULL;
		l->have = cut(l);
	}
	return &l->cur;
}

void lex_next(lexer *l)
{
	if (l->cur.next < l->cur.n)
		fail(l->cur.at, "'%s' is too much here", l->cur.words[l->cur.next]);
	l->have = false;
}

char *word_or_null(line *l)
{
	return l->next < l->n ? l->words[l->next++] : NULL;
}

char *word(line *l, const char *what)
{
	char *w = word_or_null(l);
	if (w == NULL)
		fail(l->at, "expected %s", what);
	return w;
}

char *unquote(pos at, const char *w)
{
	size_t n = strlen(w);
	if (n < 2 || w[0] != '"' || w[n - 1] != '"')
		fail(at, "expected a string, not '%s'", w);
	char *r = alloc(n), *o = r;
	for (const char *p = w + 1; p < w + n - 1; p++) {
		if (*p == '"')
			fail(at, "a '\"' inside of the string %s", w);
		if (*p != '\\') {
			*o++ = *p;
			continue;
		}
		p++;
		*o++ = *p == 'n' ? '\n' : *p;
	}
	return r;
}

const char *mark(const char *w, const char *name)
{
	size_t n = strlen(name);
	return strncmp(w, name, n) == 0 && w[n] == '=' ? w + n + 1 : NULL;
}

char **split(const char *s, char sep, size_t *ret_n)
{
	char **r = NULL;
	size_t n = 0;
	for (;;) {
		const char *end = strchr(s, sep);
		char **w = grow(&r, &n, sizeof *r);
		*w = end == NULL ? copy(s, strlen(s)) : copy(s, (size_t)(end - s));
		if (end == NULL)
			break;
		s = end + 1;
	}
	*ret_n = n;
	return r;
}

int64_t number(pos at, const char *s)
{
	char *end;
	long long v = strtoll(s, &end, 10);
	if (*s == 0 || *end != 0 || isspace((unsigned char)*s))
		fail(at, "'%s' is not a whole number", s);
	return v;
}
