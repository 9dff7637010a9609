/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/proxy/rewrite.h"

#include "base/alloc.h"

#define TAG_BYTES_MAX ((size_t)64 << 10)
#define OUT_BYTES_MAX ((size_t)16 << 20)
#define SCRATCH_BYTES_MAX ((size_t)1 << 20)

/* ---- one URL ---- */

/* Where the path of a URL begins: behind "scheme://host" or "//host", or at 0. False: it has a scheme and no
 * host (mailto:x). */
static bool find_path(sp_str url, sp_str *ret_host, size_t *ret_path)
{
	size_t i = 0;
	*ret_host = (sp_str){NULL, 0};
	while (i < url.len && url.ptr[i] != ':' && url.ptr[i] != '/' && url.ptr[i] != '?' &&
	       url.ptr[i] != '#')
		i++;
	if (i < url.len && url.ptr[i] == ':')
		i++;
	else
		i = 0;
	sp_str rest = sp_str_sub(url, i, url.len);
	if (!sp_str_starts(rest, SP_STR("//"))) {
		*ret_path = i;
		return i == 0;
	}
	size_t end = i + 2;
	while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?' && url.ptr[end] != '#')
		end++;
	*ret_host = sp_str_sub(url, i + 2, end);
	*ret_path = end;
	return true;
}

sp_str api_rewrite_url(sp_arena *a, const api_rewrite_place *at, sp_str url)
{
	sp_str host;
	size_t path;
	if (!find_path(url, &host, &path) || path >= url.len || url.ptr[path] != '/')
		return url;
	bool ours = sp_str_eq(host, at->host);
	if (host.len > 0 && !ours && !sp_str_eq(host, at->address))
		return url;
	/* What names us stays with our name, what names the server loses it. */
	sp_str front = host.len > 0 && ours ? sp_str_sub(url, 0, path) : SP_STR("");
	sp_str rest = sp_str_sub(url, path, url.len);
	sp_str done = sp_arena_printf(a, SP_FMT SP_FMT SP_FMT, SP_ARG(front),
				      SP_ARG(sp_str_starts(rest, at->prefix) ? SP_STR("") : at->prefix),
				      SP_ARG(rest));
	return done.len == 0 ? url : done;
}

bool api_rewrite_takes(const sp_http_fields *answer)
{
	sp_str type = sp_http_get(answer, SP_HTTP_CONTENT_TYPE), head;
	if (sp_str_cut(&type, ';', &head))
		type = head;
	return sp_str_eq(sp_str_trim(type), SP_STR("text/html")) &&
	       sp_http_get(answer, SP_HTTP_CONTENT_ENCODING).len == 0;
}

/* ---- tags ---- */

/* Attributes that hold URLs; lists are in order of the tag's name. */
static const struct {
	sp_str tag;
	sp_str attributes[4];
} urls[] = {
	{SP_STR_INIT("a"), {SP_STR_INIT("href")}},
	{SP_STR_INIT("applet"), {SP_STR_INIT("codebase")}},
	{SP_STR_INIT("area"), {SP_STR_INIT("href")}},
	{SP_STR_INIT("audio"), {SP_STR_INIT("src")}},
	{SP_STR_INIT("base"), {SP_STR_INIT("href")}},
	{SP_STR_INIT("blockquote"), {SP_STR_INIT("cite")}},
	{SP_STR_INIT("body"), {SP_STR_INIT("background")}},
	{SP_STR_INIT("button"), {SP_STR_INIT("formaction")}},
	{SP_STR_INIT("command"), {SP_STR_INIT("icon")}},
	{SP_STR_INIT("del"), {SP_STR_INIT("cite")}},
	{SP_STR_INIT("embed"), {SP_STR_INIT("src")}},
	{SP_STR_INIT("form"), {SP_STR_INIT("action")}},
	{SP_STR_INIT("frame"), {SP_STR_INIT("longdesc"), SP_STR_INIT("src")}},
	{SP_STR_INIT("head"), {SP_STR_INIT("profile")}},
	{SP_STR_INIT("html"), {SP_STR_INIT("manifest")}},
	{SP_STR_INIT("iframe"), {SP_STR_INIT("longdesc"), SP_STR_INIT("src")}},
	{SP_STR_INIT("img"), {SP_STR_INIT("longdesc"), SP_STR_INIT("src"), SP_STR_INIT("usemap")}},
	{SP_STR_INIT("input"), {SP_STR_INIT("src"), SP_STR_INIT("usemap"), SP_STR_INIT("formaction")}},
	{SP_STR_INIT("ins"), {SP_STR_INIT("cite")}},
	{SP_STR_INIT("link"), {SP_STR_INIT("href")}},
	{SP_STR_INIT("object"),
	 {SP_STR_INIT("classid"), SP_STR_INIT("codebase"), SP_STR_INIT("data"), SP_STR_INIT("usemap")}},
	{SP_STR_INIT("q"), {SP_STR_INIT("cite")}},
	{SP_STR_INIT("script"), {SP_STR_INIT("src")}},
	{SP_STR_INIT("source"), {SP_STR_INIT("src")}},
	{SP_STR_INIT("video"), {SP_STR_INIT("poster"), SP_STR_INIT("src")}},
};

/* What stands in these is text, whatever it looks like, until their end. */
static const sp_str opaque[] = {SP_STR_INIT("script"),   SP_STR_INIT("style"),    SP_STR_INIT("textarea"),
				SP_STR_INIT("title"),    SP_STR_INIT("iframe"),   SP_STR_INIT("noembed"),
				SP_STR_INIT("noframes"), SP_STR_INIT("noscript"), SP_STR_INIT("xmp")};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool holds_url(sp_str tag, sp_str attribute)
{
	for (size_t i = 0; i < SP_LEN(urls); i++) {
		for (size_t k = 0; sp_str_eq_nocase(urls[i].tag, tag) && k < SP_LEN(urls[i].attributes);
		     k++) {
			if (attribute.len > 0 && sp_str_eq_nocase(urls[i].attributes[k], attribute))
				return true;
		}
	}
	return false;
}

typedef enum state {
	IN_TEXT,
	AFTER_LT,   /* "<" */
	IN_TAG,     /* a start tag, held */
	IN_MARKUP,  /* "</…", "<!…", "<?…": to the next ">" */
	IN_COMMENT, /* to "-->" */
	IN_OPAQUE,  /* to the end tag of `raw` */
} state;

struct api_rewrite {
	api_rewrite_place at;
	sp_arena scratch;
	sp_buf out, tag;
	state state;
	char quote;      /* of the attribute's value we are in, or 0 */
	bool after_eq;   /* a quote would begin a value */
	size_t n_dashes; /* "-" just seen: of "<!--", then of "-->" */
	size_t n_markup; /* bytes behind "<!" */
	sp_str raw;      /* an entry of `opaque` */
	size_t n_raw;    /* how much of "</raw" was just seen */
	char texts[];
};

/* Appends the tag with its URLs changed; what can't be read of it stays. */
static void put_tag(api_rewrite *w)
{
	sp_str t = sp_buf_view(&w->tag);
	size_t i = 1, done = 0;
	while (i < t.len && !is_blank(t.ptr[i]) && t.ptr[i] != '/' && t.ptr[i] != '>')
		i++;
	sp_str name = sp_str_sub(t, 1, i);
	while (i < t.len) {
		size_t from = i;
		while (i < t.len && !is_blank(t.ptr[i]) && t.ptr[i] != '=' && t.ptr[i] != '/' &&
		       t.ptr[i] != '>')
			i++;
		sp_str attribute = sp_str_sub(t, from, i);
		while (i < t.len && is_blank(t.ptr[i]))
			i++;
		if (i >= t.len || t.ptr[i] != '=' || attribute.len == 0) {
			i += i == from; /* a lone '/', '=' or '>' */
			continue;
		}
		i++;
		while (i < t.len && is_blank(t.ptr[i]))
			i++;
		char quote = i < t.len && (t.ptr[i] == '"' || t.ptr[i] == '\'') ? t.ptr[i++] : 0;
		size_t value = i;
		while (i < t.len && (quote != 0 ? t.ptr[i] != quote : !is_blank(t.ptr[i]) && t.ptr[i] != '>'))
			i++;
		if (holds_url(name, attribute)) {
			(void)sp_buf_str(&w->out, sp_str_sub(t, done, value));
			(void)sp_buf_str(&w->out,
					 api_rewrite_url(&w->scratch, &w->at, sp_str_sub(t, value, i)));
			done = i;
		}
		i += quote != 0;
	}
	(void)sp_buf_str(&w->out, sp_str_sub(t, done, t.len));
	sp_arena_reset(&w->scratch);
	w->state = IN_TEXT;
	for (size_t k = 0; k < SP_LEN(opaque); k++) {
		if (sp_str_eq_nocase(opaque[k], name)) {
			w->state = IN_OPAQUE;
			w->raw = opaque[k];
			w->n_raw = 0;
		}
	}
	sp_buf_clear(&w->tag);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void in_tag(api_rewrite *w, char c)
{
	(void)sp_buf_char(&w->tag, c);
	if (w->quote != 0) {
		if (c == w->quote)
			w->quote = 0;
	} else if ((c == '"' || c == '\'') && w->after_eq) {
		w->quote = c;
	} else if (c == '>') {
		put_tag(w);
		return;
	}
	w->after_eq = c == '=' || (w->after_eq && is_blank(c));
	if (w->tag.len >= TAG_BYTES_MAX) { /* not one that anybody wrote */
		(void)sp_buf_str(&w->out, sp_buf_view(&w->tag));
		sp_buf_clear(&w->tag);
		w->state = IN_MARKUP;
		w->n_markup = 2;
	}
}

static void after_lt(api_rewrite *w, char c)
{
	if (is_letter(c)) {
		w->state = IN_TAG;
		w->quote = 0;
		w->after_eq = false;
		sp_buf_clear(&w->tag);
		(void)sp_buf_append(&w->tag, (char[]){'<', c}, 2);
		return;
	}
	(void)sp_buf_append(&w->out, (char[]){'<', c}, 2);
	w->state = c == '/' || c == '!' || c == '?' ? IN_MARKUP : IN_TEXT;
	w->n_markup = c == '!' ? 0 : 2;
}

static void in_markup(api_rewrite *w, char c)
{
	if (c == '>')
		w->state = IN_TEXT;
	else if (w->n_markup < 2 && c == '-' && ++w->n_markup == 2) {
		w->state = IN_COMMENT;
		w->n_dashes = 0;
	} else if (c != '-')
		w->n_markup = 2;
}

static void in_comment(api_rewrite *w, char c)
{
	if (c == '>' && w->n_dashes >= 2)
		w->state = IN_TEXT;
	w->n_dashes = c == '-' ? w->n_dashes + 1 : 0;
}

static void in_opaque(api_rewrite *w, char c)
{
	size_t n = w->n_raw;
	if (n == w->raw.len + 2 && (is_blank(c) || c == '/' || c == '>')) {
		w->state = c == '>' ? IN_TEXT : IN_MARKUP;
		w->n_markup = 2;
		return;
	}
	char want = n == 0 ? '<' : n == 1 ? '/' : n < w->raw.len + 2 ? w->raw.ptr[n - 2] : 0;
	char low = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
	w->n_raw = low == want ? n + 1 : c == '<';
}

sp_code api_rewrite_feed(api_rewrite *w, sp_str piece, bool last, sp_str *ret)
{
	sp_buf_clear(&w->out);
	for (size_t i = 0; i < piece.len; i++) {
		char c = piece.ptr[i];
		if (w->state == IN_TAG) {
			in_tag(w, c);
			continue;
		}
		if (w->state == AFTER_LT) {
			after_lt(w, c);
			continue;
		}
		if (w->state == IN_TEXT && c == '<') {
			w->state = AFTER_LT;
			continue;
		}
		(void)sp_buf_char(&w->out, c);
		if (w->state == IN_MARKUP)
			in_markup(w, c);
		else if (w->state == IN_COMMENT)
			in_comment(w, c);
		else if (w->state == IN_OPAQUE)
			in_opaque(w, c);
	}
	if (last && w->state == AFTER_LT)
		(void)sp_buf_char(&w->out, '<');
	else if (last && w->state == IN_TAG)
		(void)sp_buf_str(&w->out, sp_buf_view(&w->tag));
	*ret = sp_buf_view(&w->out);
	SP_TRY(sp_buf_code(&w->tag));
	return sp_buf_code(&w->out);
}

/* ---- life ---- */

api_rewrite *api_rewrite_new(const api_rewrite_place *at)
{
	sp_str *texts[3];
	api_rewrite *w = sp_try_alloc(sizeof *w + at->prefix.len + at->address.len + at->host.len);
	if (w == NULL)
		return NULL;
	*w = (api_rewrite){.at = *at};
	texts[0] = &w->at.prefix;
	texts[1] = &w->at.address;
	texts[2] = &w->at.host;
	for (size_t i = 0, n = 0; i < SP_LEN(texts); n += texts[i++]->len) {
		if (texts[i]->len > 0)
			memcpy(w->texts + n, texts[i]->ptr, texts[i]->len);
		texts[i]->ptr = w->texts + n;
	}
	sp_arena_init(&w->scratch, SCRATCH_BYTES_MAX);
	sp_buf_init(&w->out, OUT_BYTES_MAX);
	sp_buf_init(&w->tag, TAG_BYTES_MAX + 1);
	return w;
}

void api_rewrite_free(api_rewrite *w)
{
	if (w == NULL)
		return;
	sp_arena_done(&w->scratch);
	sp_buf_done(&w->out);
	sp_buf_done(&w->tag);
	sp_free(w);
}
