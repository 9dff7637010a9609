/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/negotiate.h"

#include <stdio.h>

#include "base/num.h"

const sp_str api_media_types[API_MEDIA_COUNT_] = {
	[API_MEDIA_JSON] = SP_STR_INIT("application/json"),
	[API_MEDIA_YAML] = SP_STR_INIT("application/yaml"),
	[API_MEDIA_PROTOBUF] = SP_STR_INIT("application/vnd.kubernetes.protobuf"),
};

sp_str api_media_type(api_media m)
{
	return api_media_types[m];
}

/* ---- Accept ---- */

typedef struct clause {
	sp_str type, subtype, params; /* params: what follows the first ';' */
	uint32_t quality;             /* thousandths */
	uint32_t stars;               /* parts that are "*": 0 for a type in full */
} clause;

static sp_str trim_blanks(sp_str s)
{
	while (s.len > 0 && s.ptr[0] == ' ')
		s = sp_str_sub(s, 1, s.len);
	while (s.len > 0 && s.ptr[s.len - 1] == ' ')
		s.len--;
	return s;
}

/* The part before the next separator, all when there is none; *in is what follows. */
static sp_str next_part(sp_str *in, char sep)
{
	sp_str head;
	if (sp_str_cut(in, sep, &head))
		return head;
	head = *in;
	*in = (sp_str){NULL, 0};
	return head;
}

/* The next parameter of a clause; false at the end. Malformed ones are skipped. */
static bool next_param(sp_str *params, sp_str *ret_name, sp_str *ret_value)
{
	while (params->len > 0) {
		sp_str value = next_part(params, ';');
		sp_str name = next_part(&value, '=');
		if (value.len == 0 || sp_str_index(value, '=') >= 0)
			continue;
		*ret_name = trim_blanks(name);
		*ret_value = trim_blanks(value);
		return true;
	}
	return false;
}

/* "0.25" as 250; what is no number is 0, as in Go. */
static uint32_t parse_quality(sp_str text)
{
	uint32_t value = 0, unit = 1000;
	bool fraction = false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '.' && !fraction) {
			fraction = true;
		} else if (c < '0' || c > '9') {
			return 0;
		} else if (fraction) {
			unit /= 10;
			value += (uint32_t)(c - '0') * unit;
		} else {
			value = SP_MIN(value * 10 + (uint32_t)(c - '0') * 1000, 1000u);
		}
	}
	return value;
}

static bool parse_clause(sp_str text, clause *ret)
{
	sp_str params = trim_blanks(text);
	sp_str subtype = next_part(&params, ';');
	sp_str type = trim_blanks(next_part(&subtype, '/'));
	bool star = sp_str_eq(type, SP_STR("*"));
	if (subtype.len == 0 && !star)
		return false;
	if (sp_str_index(subtype, '/') >= 0)
		return false;
	subtype = subtype.len == 0 ? SP_STR("*") : trim_blanks(subtype);
	*ret = (clause){.type = type, .subtype = subtype, .params = params, .quality = 1000};
	ret->stars = star ? 2 : sp_str_eq(subtype, SP_STR("*")) ? 1 : 0;
	sp_str name, value, rest = params;
	while (next_param(&rest, &name, &value)) {
		if (sp_str_eq(name, SP_STR("q")))
			ret->quality = parse_quality(value);
	}
	return true;
}

static bool comes_before(const clause *a, const clause *b)
{
	return a->quality != b->quality ? a->quality > b->quality : a->stars < b->stars;
}

/* In order of preference, equal ones in the order of the header. */
static size_t parse_accept(sp_str header, clause clauses[API_ACCEPT_CLAUSES_MAX])
{
	size_t n = 0;
	while (header.len > 0 && n < API_ACCEPT_CLAUSES_MAX) {
		clause c;
		if (!parse_clause(next_part(&header, ','), &c))
			continue;
		size_t at = n++;
		for (; at > 0 && comes_before(&c, &clauses[at - 1]); at--)
			clauses[at] = clauses[at - 1];
		clauses[at] = c;
	}
	return n;
}

static bool matches(const clause *c, api_media m)
{
	if (c->stars == 2)
		return true;
	sp_str subtype = api_media_types[m], type = next_part(&subtype, '/');
	return sp_str_eq(c->type, type) && (c->stars == 1 || sp_str_eq(c->subtype, subtype));
}

/* ---- shapes ---- */

static const struct {
	sp_str group, version, kind;
	api_shape shape;
	bool v1beta1;
} shapes[] = {
	{SP_STR_INIT("meta.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("Table"), API_SHAPE_TABLE, false},
	{SP_STR_INIT("meta.k8s.io"), SP_STR_INIT("v1beta1"), SP_STR_INIT("Table"), API_SHAPE_TABLE, true},
	{SP_STR_INIT("meta.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("PartialObjectMetadata"),
	 API_SHAPE_METADATA, false},
	{SP_STR_INIT("meta.k8s.io"), SP_STR_INIT("v1beta1"), SP_STR_INIT("PartialObjectMetadata"),
	 API_SHAPE_METADATA, true},
	{SP_STR_INIT("meta.k8s.io"), SP_STR_INIT("v1"), SP_STR_INIT("PartialObjectMetadataList"),
	 API_SHAPE_METADATA_LIST, false},
	{SP_STR_INIT("meta.k8s.io"), SP_STR_INIT("v1beta1"), SP_STR_INIT("PartialObjectMetadataList"),
	 API_SHAPE_METADATA_LIST, true},
	{SP_STR_INIT("apidiscovery.k8s.io"), SP_STR_INIT("v2"), SP_STR_INIT("APIGroupDiscoveryList"),
	 API_SHAPE_DISCOVERY, false},
};

typedef struct shape_params {
	sp_str as, group, version, stream;
	bool transforms, pretty;
} shape_params;

static shape_params read_params(sp_str text)
{
	shape_params p = {0};
	sp_str name, value;
	while (next_param(&text, &name, &value)) {
		if (sp_str_eq(name, SP_STR("as")))
			p.as = value;
		else if (sp_str_eq(name, SP_STR("g")))
			p.group = value;
		else if (sp_str_eq(name, SP_STR("v")))
			p.version = value;
		else if (sp_str_eq(name, SP_STR("stream")))
			p.stream = value;
		else if (sp_str_eq(name, SP_STR("pretty")))
			p.pretty = sp_str_eq(value, SP_STR("1"));
	}
	p.transforms = p.as.len > 0 || p.group.len > 0 || p.version.len > 0;
	return p;
}

static bool find_shape(const shape_params *p, api_media m, const api_output_rules *rules, api_output *ret)
{
	for (size_t i = 0; i < SP_LEN(shapes); i++) {
		if (!sp_str_eq(p->as, shapes[i].kind) || !sp_str_eq(p->group, shapes[i].group) ||
		    !sp_str_eq(p->version, shapes[i].version))
			continue;
		/* A Table has no protobuf form. */
		if ((rules->shapes & 1u << shapes[i].shape) == 0 ||
		    (shapes[i].shape == API_SHAPE_TABLE && m == API_MEDIA_PROTOBUF))
			return false;
		ret->shape = shapes[i].shape;
		ret->v1beta1 = shapes[i].v1beta1;
		return true;
	}
	return false;
}

static bool serve(const clause *c, api_media m, const api_output_rules *rules, api_output *ret)
{
	shape_params p = read_params(c->params);
	if (p.stream.len > 0 && (!rules->stream || !sp_str_eq(p.stream, SP_STR("watch"))))
		return false;
	*ret = (api_output){.media = m, .shape = API_SHAPE_OBJECT, .pretty = p.pretty};
	return !p.transforms || find_shape(&p, m, rules, ret);
}

bool api_negotiate(sp_str accept, const api_output_rules *rules, api_output *ret)
{
	if (accept.len == 0) {
		*ret = (api_output){.media = API_MEDIA_JSON};
		return (rules->media & API_MEDIA_BIT(API_MEDIA_JSON)) != 0;
	}
	clause clauses[API_ACCEPT_CLAUSES_MAX];
	size_t n = parse_accept(accept, clauses);
	for (size_t i = 0; i < n; i++) {
		for (unsigned m = 0; m < API_MEDIA_COUNT_; m++) {
			api_output found;
			if ((rules->media & API_MEDIA_BIT(m)) == 0 || !matches(&clauses[i], (api_media)m) ||
			    !serve(&clauses[i], (api_media)m, rules, &found))
				continue;
			*ret = found;
			return true;
		}
	}
	return false;
}

bool api_wants_pretty(const sp_url_query *query, sp_str user_agent)
{
	static const sp_str yes[] = {SP_STR_INIT("1"),    SP_STR_INIT("t"),    SP_STR_INIT("T"),
				     SP_STR_INIT("true"), SP_STR_INIT("TRUE"), SP_STR_INIT("True")};
	sp_str asked = sp_url_query_get(query, SP_STR("pretty"));
	for (size_t i = 0; i < SP_LEN(yes); i++) {
		if (sp_str_eq(asked, yes[i]))
			return true;
	}
	if (asked.len > 0)
		return false;
	return sp_str_starts(user_agent, SP_STR("curl")) || sp_str_starts(user_agent, SP_STR("Wget")) ||
	       sp_str_starts(user_agent, SP_STR("Mozilla/5.0"));
}

/* ---- Content-Type ---- */

static bool is_token(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f || strchr("()<>@,;:\\\"/[]?=", s.ptr[i]) != NULL)
			return false;
	}
	return s.len > 0;
}

bool api_media_essence(sp_str header, sp_str *ret)
{
	sp_str params = header;
	sp_str essence = sp_str_trim(next_part(&params, ';'));
	sp_str subtype = essence, type = next_part(&subtype, '/');
	if (!is_token(type) || !is_token(subtype))
		return false;
	*ret = essence;
	return true;
}

bool api_content_type(sp_str header, uint32_t media, api_media *ret)
{
	sp_str essence = api_media_types[API_MEDIA_JSON];
	if (header.len > 0 && !api_media_essence(header, &essence))
		return false;
	for (unsigned m = 0; m < API_MEDIA_COUNT_; m++) {
		if ((media & API_MEDIA_BIT(m)) != 0 && sp_str_eq_nocase(essence, api_media_types[m])) {
			*ret = (api_media)m;
			return true;
		}
	}
	return false;
}

sp_str api_media_list(char text[API_MEDIA_TEXT_BYTES], uint32_t media, bool stream)
{
	size_t n = 0;
	for (unsigned m = 0; m < API_MEDIA_COUNT_; m++) {
		if ((media & API_MEDIA_BIT(m)) == 0 || (stream && m == API_MEDIA_YAML))
			continue;
		n += (size_t)snprintf(text + n, API_MEDIA_TEXT_BYTES - n, "%s" SP_FMT "%s",
				      n == 0 ? "" : ", ", SP_ARG(api_media_types[m]),
				      stream ? ";stream=watch" : "");
	}
	return (sp_str){text, n};
}
