/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image/reference.h"

#define DEFAULT_HOST "docker.io"
#define OLD_DEFAULT_HOST "index.docker.io" /* still what some configurations of clients say */

static bool is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

bool image_is_digest(sp_str s)
{
	if (s.len != IMAGE_DIGEST_BYTES || !sp_str_take(&s, SP_STR("sha256:")))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
			return false;
	}
	return true;
}

static bool is_tag(sp_str s)
{
	if (s.len == 0 || s.len > IMAGE_TAG_BYTES || !is_word(s.ptr[0]))
		return false;
	for (size_t i = 1; i < s.len; i++) {
		if (!is_word(s.ptr[i]) && s.ptr[i] != '.' && s.ptr[i] != '-')
			return false;
	}
	return true;
}

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* */
static bool is_component(sp_str s)
{
	size_t i = 0;
	for (;;) {
		size_t start = i;
		while (i < s.len && is_lower(s.ptr[i]))
			i++;
		if (i == start)
			return false;
		if (i == s.len)
			return true;
		char c = s.ptr[i];
		size_t most = c == '.' ? 1 : c == '_' ? 2 : c == '-' ? s.len : 0, n = 0;
		for (; i < s.len && s.ptr[i] == c && n < most; i++)
			n++;
		if (n == 0)
			return false;
	}
}

static bool is_path(sp_str s)
{
	sp_str part;
	while (sp_str_cut(&s, '/', &part)) {
		if (!is_component(part))
			return false;
	}
	return is_component(s);
}

/* "host", "host:5000", "[::1]:5000" */
static bool is_host(sp_str s)
{
	ptrdiff_t colon = sp_str_rindex(s, ':');
	bool v6 = sp_str_starts(s, SP_STR("["));
	if (v6 && sp_str_ends(s, SP_STR("]")))
		colon = -1;
	sp_str name = colon < 0 ? s : sp_str_sub(s, 0, (size_t)colon);
	for (size_t i = (size_t)colon + 1; colon >= 0 && i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	}
	if (colon >= 0 && (size_t)colon + 1 == s.len)
		return false;
	if (v6 && (name.len < 4 || !sp_str_ends(name, SP_STR("]"))))
		return false;
	for (size_t i = v6; i + v6 < name.len; i++) {
		char c = name.ptr[i];
		bool ok = v6 ? (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
					  c == ':'
			     : (is_word(c) && c != '_') || c == '-' || c == '.';
		if (!ok)
			return false;
	}
	return name.len > 0 && (v6 || (name.ptr[0] != '-' && name.ptr[0] != '.'));
}

/* The first component is a host when it can't be a part of a path, or is "localhost". */
static bool cut_host(sp_str *rest, sp_str *ret_host)
{
	sp_str first, after = *rest;
	if (!sp_str_cut(&after, '/', &first))
		return false;
	bool upper = false;
	for (size_t i = 0; i < first.len; i++)
		upper = upper || (first.ptr[i] >= 'A' && first.ptr[i] <= 'Z');
	if (sp_str_index(first, '.') < 0 && sp_str_index(first, ':') < 0 &&
	    !sp_str_eq(first, SP_STR("localhost")) && !upper)
		return false;
	*ret_host = first;
	*rest = after;
	return true;
}

static sp_code bad(sp_err *err, sp_str text, const char *what)
{
	return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no reference of an image: %s", SP_ARG(text), what);
}

static sp_code split(sp_str text, image_reference *r, sp_err *err)
{
	sp_str rest = text, head;
	if (sp_str_cut(&rest, '@', &head)) {
		r->digest = rest;
		rest = head;
		if (!image_is_digest(r->digest))
			return bad(err, text, "the digest is not sha256 and 64 digits");
	}
	/* Before the tag goes, or a port would be one. */
	bool has_host = cut_host(&rest, &r->host);
	ptrdiff_t colon = sp_str_rindex(rest, ':');
	if (colon >= 0) {
		r->tag = sp_str_sub(rest, (size_t)colon + 1, rest.len);
		rest = sp_str_sub(rest, 0, (size_t)colon);
		if (!is_tag(r->tag))
			return bad(err, text, "the tag is malformed");
	}
	if (has_host && !is_host(r->host))
		return bad(err, text, "the host is malformed");
	if (!is_path(rest))
		return bad(err, text, "names are lower-case letters, digits and separators");
	r->path = rest;
	return SP_OK;
}

sp_code image_reference_parse(sp_arena *a, sp_str text, image_reference *ret, sp_err *err)
{
	image_reference r = {.host = {NULL, 0}};
	SP_TRY(split(text, &r, err));
	if (r.host.len == 0 || sp_str_eq(r.host, SP_STR(OLD_DEFAULT_HOST)))
		r.host = SP_STR(DEFAULT_HOST);
	bool library = sp_str_eq(r.host, SP_STR(DEFAULT_HOST)) && sp_str_index(r.path, '/') < 0;
	if (r.tag.len == 0 && r.digest.len == 0)
		r.tag = SP_STR("latest");
	r.name = SP_CONCAT(a, r.host, library ? SP_STR("/library/") : SP_STR("/"), r.path);
	sp_str tag = sp_arena_try_dup(a, r.tag), digest = sp_arena_try_dup(a, r.digest);
	if (r.name.ptr == NULL || tag.len != r.tag.len || digest.len != r.digest.len)
		return sp_fail(err, SP_ENOMEM, "no memory for a reference");
	r.tag = tag;
	r.digest = digest;
	r.host = sp_str_sub(r.name, 0, r.host.len);
	r.path = sp_str_sub(r.name, r.host.len + 1, r.name.len);
	if (r.name.len > IMAGE_NAME_BYTES)
		return bad(err, text, "the name has more than 255 bytes");
	*ret = r;
	return SP_OK;
}

sp_str image_reference_print(sp_arena *a, const image_reference *r)
{
	return r->digest.len > 0 ? SP_CONCAT(a, r->name, SP_STR("@"), r->digest)
				 : SP_CONCAT(a, r->name, SP_STR(":"), r->tag);
}
