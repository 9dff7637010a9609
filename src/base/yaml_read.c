/* SPDX-License-Identifier: Apache-2.0 */
/* Events to nodes, nodes to a JSON tree: aliases and merge keys are resolved on the way. */
#include <stdlib.h>

#include "base/base64.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/quote.h"
#include "base/yaml_int.h"

typedef enum node_kind { SCALAR, SEQUENCE, MAPPING, ALIAS } node_kind;

typedef struct node {
	node_kind kind;
	bool implicit, busy; /* busy: an alias that is being followed */
	size_t line;         /* from 0 */
	sp_str value, tag, anchor;
	struct node *target;              /* of an alias */
	struct node *first, *last, *next; /* children: a mapping's keys and values in turn */
	struct node *older;               /* anchored before this one */
} node;

typedef struct reader {
	const sp_libyaml *lib;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	sp_arena *arena;
	yyjson_mut_doc *doc;
	node *anchors; /* newest first */
	size_t n_nodes, n_decoded, n_aliased, alias_depth;
	sp_buf *strict; /* complaints about equal keys, or NULL */
	sp_err *err;
} reader;

static sp_code no_room(reader *r)
{
	return sp_fail(r->err, SP_ETOOLARGE, "yaml: the document needs more memory than is allowed here");
}

static void drop_event(reader *r)
{
	if (r->has_event)
		r->lib->event_delete(&r->event);
	r->has_event = false;
}

static sp_code parser_failed(reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *text = p->problem != NULL ? p->problem : "unknown problem parsing YAML content";
	size_t line = p->problem_mark.line;
	if (p->error == YAML_MEMORY_ERROR)
		return sp_fail(r->err, SP_ENOMEM, "yaml: out of memory");
	if (line != 0)
		line += p->error == YAML_SCANNER_ERROR ? 1 : 0;
	else
		line = p->context_mark.line;
	if (line != 0)
		return sp_fail(r->err, SP_EINVAL, "yaml: line %zu: %s", line, text);
	return sp_fail(r->err, SP_EINVAL, "yaml: %s", text);
}

static sp_code next_event(reader *r)
{
	drop_event(r);
	if (r->lib->parser_parse(&r->parser, &r->event) == 0)
		return parser_failed(r);
	r->has_event = true;
	return SP_OK;
}

static sp_str kept(reader *r, const yaml_char_t *text, size_t len)
{
	return text == NULL ? (sp_str){NULL, 0}
			    : sp_arena_try_dup(r->arena, (sp_str){(const char *)text, len});
}

static sp_code new_node(reader *r, node_kind kind, const yaml_char_t *anchor, const yaml_char_t *tag,
			node **ret)
{
	node *n = sp_try_new(r->arena, node, 1);
	if (n == NULL)
		return no_room(r);
	if (++r->n_nodes > SP_LIMIT_YAML_NODES)
		return sp_fail(r->err, SP_ETOOLARGE, "yaml: more than %u values", SP_LIMIT_YAML_NODES);
	n->kind = kind;
	n->line = r->event.start_mark.line;
	n->anchor = kept(r, anchor, anchor == NULL ? 0 : strlen((const char *)anchor));
	n->tag = kept(r, tag, tag == NULL ? 0 : strlen((const char *)tag));
	if ((anchor != NULL && n->anchor.ptr == NULL) || (tag != NULL && n->tag.ptr == NULL))
		return no_room(r);
	if (anchor != NULL && kind != ALIAS) {
		n->older = r->anchors;
		r->anchors = n;
	}
	*ret = n;
	return SP_OK;
}

static sp_code read_node(reader *r, size_t depth, node **ret);

static sp_code read_children(reader *r, node *parent, yaml_event_type_t end, size_t depth)
{
	SP_ASSERT(parent != NULL);
	if (depth == SP_LIMIT_JSON_DEPTH)
		return sp_fail(r->err, SP_ETOOLARGE, "yaml: exceeded max depth of %u", SP_LIMIT_JSON_DEPTH);
	for (;;) {
		node *child = NULL;
		SP_TRY(next_event(r));
		if (r->event.type == end)
			return SP_OK;
		SP_TRY(read_node(r, depth + 1, &child));
		if (parent->last != NULL)
			parent->last->next = child;
		else
			parent->first = child;
		parent->last = child;
	}
}

static sp_code read_alias(reader *r, node **ret)
{
	node *n = NULL;
	SP_TRY(new_node(r, ALIAS, r->event.data.alias.anchor, NULL, &n));
	SP_ASSERT(n != NULL);
	for (node *at = r->anchors; at != NULL && n->target == NULL; at = at->older) {
		if (sp_str_eq(at->anchor, n->anchor))
			n->target = at;
	}
	if (n->target == NULL)
		return sp_fail(r->err, SP_EINVAL, "yaml: unknown anchor '" SP_FMT "' referenced",
			       SP_ARG(n->anchor));
	*ret = n;
	return SP_OK;
}

static sp_code read_scalar(reader *r, node **ret)
{
	node *n = NULL;
	SP_TRY(new_node(r, SCALAR, r->event.data.scalar.anchor, r->event.data.scalar.tag, &n));
	SP_ASSERT(n != NULL);
	n->value = kept(r, r->event.data.scalar.value, r->event.data.scalar.length);
	n->implicit = r->event.data.scalar.plain_implicit != 0;
	*ret = n;
	return n->value.ptr != NULL ? SP_OK : no_room(r);
}

/* The node that the event at hand begins. */
static sp_code read_node(reader *r, size_t depth, node **ret)
{
	switch (r->event.type) {
	case YAML_ALIAS_EVENT:
		return read_alias(r, ret);
	case YAML_SCALAR_EVENT:
		return read_scalar(r, ret);
	case YAML_SEQUENCE_START_EVENT:
		SP_TRY(new_node(r, SEQUENCE, r->event.data.sequence_start.anchor,
				r->event.data.sequence_start.tag, ret));
		return read_children(r, *ret, YAML_SEQUENCE_END_EVENT, depth);
	case YAML_MAPPING_START_EVENT:
		SP_TRY(new_node(r, MAPPING, r->event.data.mapping_start.anchor,
				r->event.data.mapping_start.tag, ret));
		return read_children(r, *ret, YAML_MAPPING_END_EVENT, depth);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
	default:
		return sp_fail(r->err, SP_EINVAL, "yaml: unexpected event");
	}
}

/* ---- nodes to values ---- */

/* A key as it was typed, for telling equal ones, and as text. */
typedef struct entry {
	sp_str name;
	sp_yaml_tag tag;
	yyjson_mut_val *value;
	size_t order;
} entry;

/* A mapping being put together; merges add to it. */
typedef struct entries {
	entry *items;
	size_t n, cap;
	sp_map *seen; /* strict reading: keys with their types */
} entries;

static sp_code decode(reader *r, node *n, yyjson_mut_val **ret);
static sp_code decode_mapping(reader *r, node *n, entries *into);

static sp_code count_one(reader *r)
{
	r->n_decoded++;
	r->n_aliased += r->alias_depth > 0 ? 1 : 0;
	/* Upstream's rule, then ours. */
	double share = (double)r->n_aliased / (double)r->n_decoded;
	if ((r->n_aliased > 100 && r->n_decoded > 1000 && share > 0.99) || r->n_decoded > SP_LIMIT_YAML_NODES)
		return sp_fail(r->err, r->n_aliased > 0 ? SP_EINVAL : SP_ETOOLARGE,
			       "yaml: document contains excessive aliasing");
	return SP_OK;
}

static sp_code made(reader *r, yyjson_mut_val *v, yyjson_mut_val **ret)
{
	*ret = v;
	return v != NULL ? SP_OK : no_room(r);
}

static sp_str short_tag(sp_str tag)
{
	sp_str rest = tag;
	return sp_str_take(&rest, SP_STR("tag:yaml.org,2002:")) ? rest : (sp_str){NULL, 0};
}

static const char *const tag_names[] = {
	[SP_YAML_STR] = "str",
	[SP_YAML_NULL] = "null",
	[SP_YAML_BOOL] = "bool",
	[SP_YAML_INT] = "int",
	[SP_YAML_UINT] = "int",
	[SP_YAML_FLOAT] = "float",
	[SP_YAML_TIMESTAMP] = "timestamp",
};

/* The scalar's type by its text and tag. */
static sp_code resolve(reader *r, const node *n, sp_yaml_scalar *ret)
{
	sp_str want = short_tag(n->tag);
	*ret = (sp_yaml_scalar){.tag = SP_YAML_STR};
	bool resolvable = n->tag.len == 0;
	for (size_t i = 0; i < SP_LEN(tag_names) && !resolvable; i++)
		resolvable = sp_str_eq(want, sp_str_c(tag_names[i]));
	if (!resolvable || sp_str_eq(want, SP_STR("str")) || (n->tag.len == 0 && !n->implicit))
		return SP_OK;
	*ret = sp_yaml_resolve(n->value);
	if (want.len == 0 || sp_str_eq(want, sp_str_c(tag_names[ret->tag])))
		return SP_OK;
	if (sp_str_eq(want, SP_STR("float")) && ret->tag == SP_YAML_INT) {
		*ret = (sp_yaml_scalar){.tag = SP_YAML_FLOAT, .f64 = (double)ret->i64};
		return SP_OK;
	}
	return sp_fail(r->err, SP_EINVAL, "yaml: cannot decode !!%s `" SP_FMT "` as a !!" SP_FMT,
		       tag_names[ret->tag], SP_ARG(n->value), SP_ARG(want));
}

/* Text of a scalar that is a string; !!binary is decoded. */
static sp_code text_of(reader *r, const node *n, sp_str *ret)
{
	*ret = n->value;
	if (!sp_str_eq(short_tag(n->tag), SP_STR("binary")))
		return SP_OK;
	uint8_t *bytes = sp_arena_try_alloc(r->arena, n->value.len + 4);
	size_t len;
	if (bytes == NULL)
		return no_room(r);
	if (sp_base64_decode(n->value, bytes, &len, NULL) != SP_OK)
		return sp_fail(r->err, SP_EINVAL, "yaml: !!binary value contains invalid base64 data");
	*ret = (sp_str){(const char *)bytes, len};
	return SP_OK;
}

static sp_code decode_scalar(reader *r, const node *n, yyjson_mut_val **ret)
{
	sp_yaml_scalar v = {0};
	sp_str text = {0};
	SP_TRY(resolve(r, n, &v));
	switch (v.tag) {
	case SP_YAML_NULL:
		return made(r, yyjson_mut_null(r->doc), ret);
	case SP_YAML_BOOL:
		return made(r, yyjson_mut_bool(r->doc, v.boolean), ret);
	case SP_YAML_INT:
		return made(r,
			    v.i64 < 0 ? yyjson_mut_sint(r->doc, v.i64)
				      : yyjson_mut_uint(r->doc, (uint64_t)v.i64),
			    ret);
	case SP_YAML_UINT:
		return made(r, yyjson_mut_uint(r->doc, v.u64), ret);
	case SP_YAML_FLOAT:
		if (!__builtin_isfinite(v.f64))
			return sp_fail(r->err, SP_EINVAL, "json: unsupported value: %s",
				       v.f64 != v.f64 ? "NaN"
				       : v.f64 > 0    ? "+Inf"
						      : "-Inf");
		return made(r, yyjson_mut_real(r->doc, v.f64), ret);
	case SP_YAML_STR:
	case SP_YAML_TIMESTAMP:
	default:
		SP_TRY(text_of(r, n, &text));
		return made(r, yyjson_mut_strn(r->doc, text.len != 0 ? text.ptr : "", text.len), ret);
	}
}

/* The text of a key: numbers and booleans as they would be printed. */
static sp_code key_of(reader *r, node *n, entry *ret)
{
	sp_yaml_scalar v = {0};
	while (n->kind == ALIAS)
		n = n->target;
	if (n->kind != SCALAR)
		return sp_fail(r->err, SP_EINVAL, "yaml: invalid map key: %s",
			       n->kind == MAPPING ? "map[interface {}]interface {}" : "[]interface {}");
	SP_TRY(count_one(r));
	SP_TRY(resolve(r, n, &v));
	ret->tag = v.tag;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 512);
	switch (v.tag) {
	case SP_YAML_NULL:
	case SP_YAML_UINT:
		return sp_fail(r->err, SP_EINVAL, "unsupported map key of type: %s",
			       v.tag == SP_YAML_NULL ? "<nil>" : "uint64");
	case SP_YAML_BOOL:
		sp_buf_str(&out, v.boolean ? SP_STR("true") : SP_STR("false"));
		break;
	case SP_YAML_INT:
		sp_buf_i64(&out, v.i64);
		break;
	case SP_YAML_FLOAT: {
		yyjson_mut_val number = {0};
		unsafe_yyjson_set_real(&number, v.f64);
		if (!__builtin_isfinite(v.f64))
			sp_buf_str(&out, v.f64 != v.f64 ? SP_STR(".nan")
					 : v.f64 > 0    ? SP_STR(".inf")
							: SP_STR("-.inf"));
		else
			SP_TRY(sp_json_write_go(&out, &number));
		break;
	}
	case SP_YAML_STR:
	case SP_YAML_TIMESTAMP:
	default:
		ret->tag = SP_YAML_STR;
		return text_of(r, n, &ret->name);
	}
	ret->name = sp_arena_try_dup(r->arena, sp_buf_view(&out));
	return ret->name.ptr != NULL ? SP_OK : no_room(r);
}

static sp_code push(reader *r, entries *list, const entry *e)
{
	if (list->n == list->cap) {
		size_t cap = list->cap == 0 ? 8 : list->cap * 2;
		entry *items = sp_arena_try_grow(r->arena, list->items, list->cap * sizeof *items,
						 cap * sizeof *items);
		if (items == NULL)
			return no_room(r);
		list->items = items;
		list->cap = cap;
	}
	list->items[list->n] = *e;
	list->items[list->n].order = list->n;
	list->n++;
	return SP_OK;
}

static void drop_seen(void *arg)
{
	sp_map_done(arg);
}

/* Whether the key was set before; notes it. */
static sp_code note_key(reader *r, entries *list, const entry *e, bool *ret_again)
{
	void *old = NULL;
	if (list->seen == NULL) {
		list->seen = sp_try_new(r->arena, sp_map, 1);
		if (list->seen == NULL || !sp_arena_on_reset(r->arena, drop_seen, list->seen))
			return no_room(r);
		sp_map_init(list->seen);
	}
	sp_str typed = sp_arena_printf(r->arena, "%u" SP_FMT, e->tag, SP_ARG(e->name));
	if (typed.ptr == NULL || sp_map_put(list->seen, typed, r, &old) != SP_OK)
		return no_room(r);
	*ret_again = old != NULL;
	return SP_OK;
}

static void complain(reader *r, const entry *e, size_t line)
{
	sp_buf *out = r->strict;
	sp_buf_str(out, out->len == 0 ? SP_STR("yaml: unmarshal errors:\n  ") : SP_STR("\n  "));
	sp_buf_printf(out, "line %zu: key ", line + 1);
	if (e->tag == SP_YAML_STR)
		sp_quote_go(out, e->name);
	else
		sp_buf_str(out, e->name);
	sp_buf_str(out, SP_STR(" already set in map"));
}

static sp_code want_map(reader *r)
{
	return sp_fail(r->err, SP_EINVAL, "yaml: map merge requires map or sequence of maps as the value");
}

static sp_code merge_one(reader *r, node *n, entries *into)
{
	node *target = n->kind == ALIAS ? n->target : n;
	if (target->kind != MAPPING)
		return want_map(r);
	if (n->kind != ALIAS)
		return decode_mapping(r, n, into);
	SP_TRY(count_one(r));
	if (n->busy || target->busy)
		return sp_fail(r->err, SP_EINVAL, "yaml: anchor '" SP_FMT "' value contains itself",
			       SP_ARG(n->anchor));
	n->busy = true;
	r->alias_depth++;
	SP_TRY(decode_mapping(r, target, into));
	r->alias_depth--;
	n->busy = false;
	return SP_OK;
}

/* Earlier maps of a sequence win, so they come last. */
static sp_code merge_last_first(reader *r, node *n, entries *into)
{
	size_t count = 0;
	for (node *c = n->first; c != NULL; c = c->next)
		count++;
	node **children = sp_try_new(r->arena, node *, count + 1);
	if (children == NULL)
		return no_room(r);
	count = 0;
	for (node *c = n->first; c != NULL; c = c->next)
		children[count++] = c;
	while (count > 0)
		SP_TRY(merge_one(r, children[--count], into));
	return SP_OK;
}

static bool is_merge(const node *n)
{
	return n->kind == SCALAR && sp_str_eq(n->value, SP_STR("<<")) &&
	       (n->implicit || sp_str_eq(short_tag(n->tag), SP_STR("merge")));
}

static sp_code decode_mapping(reader *r, node *n, entries *into)
{
	SP_TRY(count_one(r));
	for (node *key = n->first; key != NULL && key->next != NULL; key = key->next->next) {
		node *value = key->next;
		entry e = {0};
		if (is_merge(key)) {
			SP_TRY(value->kind == SEQUENCE ? merge_last_first(r, value, into)
						       : merge_one(r, value, into));
			continue;
		}
		SP_TRY(key_of(r, key, &e));
		SP_TRY(decode(r, value, &e.value));
		bool again = false;
		if (r->strict != NULL)
			SP_TRY(note_key(r, into, &e, &again));
		if (again)
			complain(r, &e, value->line);
		SP_TRY(push(r, into, &e));
	}
	return SP_OK;
}

static int by_name(const void *a, const void *b)
{
	const entry *x = a;
	const entry *y = b;
	int c = sp_str_cmp(x->name, y->name);
	return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

static sp_code build_object(reader *r, entries *list, yyjson_mut_val **ret)
{
	yyjson_mut_val *object = yyjson_mut_obj(r->doc);
	if (object == NULL)
		return no_room(r);
	if (list->n > 1)
		qsort(list->items, list->n, sizeof *list->items, by_name);
	for (size_t i = 0; i < list->n; i++) {
		const entry *e = &list->items[i];
		if (i + 1 < list->n && sp_str_eq(e->name, list->items[i + 1].name))
			continue;
		yyjson_mut_val *key =
			yyjson_mut_strn(r->doc, e->name.len != 0 ? e->name.ptr : "", e->name.len);
		if (key == NULL || !yyjson_mut_obj_add(object, key, e->value))
			return no_room(r);
	}
	*ret = object;
	return SP_OK;
}

static sp_code decode_alias(reader *r, node *n, yyjson_mut_val **ret)
{
	if (n->busy)
		return sp_fail(r->err, SP_EINVAL, "yaml: anchor '" SP_FMT "' value contains itself",
			       SP_ARG(n->anchor));
	SP_TRY(count_one(r));
	n->busy = true;
	r->alias_depth++;
	SP_TRY(decode(r, n->target, ret));
	r->alias_depth--;
	n->busy = false;
	return SP_OK;
}

static sp_code decode(reader *r, node *n, yyjson_mut_val **ret)
{
	entries list = {0};
	yyjson_mut_val *out = NULL;
	if (n->kind == ALIAS)
		return decode_alias(r, n, ret);
	if (n->kind == MAPPING) {
		SP_TRY(decode_mapping(r, n, &list));
		return build_object(r, &list, ret);
	}
	SP_TRY(count_one(r));
	if (n->kind == SCALAR)
		return decode_scalar(r, n, ret);
	SP_TRY(made(r, yyjson_mut_arr(r->doc), &out));
	for (node *child = n->first; child != NULL; child = child->next) {
		yyjson_mut_val *item = NULL;
		SP_TRY(decode(r, child, &item));
		yyjson_mut_arr_append(out, item);
	}
	*ret = out;
	return SP_OK;
}

static sp_code read_document(reader *r, yyjson_mut_val **ret)
{
	node *root = NULL;
	SP_TRY(next_event(r)); /* stream start */
	SP_TRY(next_event(r));
	if (r->event.type != YAML_DOCUMENT_START_EVENT)
		return made(r, yyjson_mut_null(r->doc), ret);
	SP_TRY(next_event(r));
	SP_TRY(read_node(r, 0, &root));
	SP_TRY(next_event(r)); /* the document's end: what stands before it must be well-formed */
	SP_ASSERT(root != NULL);
	return decode(r, root, ret);
}

sp_code sp_yaml_parse(sp_arena *a, sp_str text, yyjson_mut_doc *doc, sp_str *ret_strict, yyjson_mut_val **ret,
		      sp_err *err)
{
	SP_AUTO_BUF strict;
	sp_buf_init(&strict, (size_t)1 << 20);
	reader r = {.lib = sp_libyaml_open(err), .arena = a, .doc = doc, .err = err};
	yyjson_mut_val *v = NULL;
	if (r.lib == NULL)
		return SP_EUNSUPPORTED;
	if (ret_strict != NULL)
		r.strict = &strict;
	if (r.lib->parser_initialize(&r.parser) == 0)
		return sp_fail(err, SP_ENOMEM, "yaml: out of memory");
	r.lib->parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	r.lib->parser_set_input_string(&r.parser, (const yaml_char_t *)(text.len != 0 ? text.ptr : ""),
				       text.len);
	sp_code code = read_document(&r, &v);
	drop_event(&r);
	r.lib->parser_delete(&r.parser);
	SP_TRY(code);
	if (ret_strict != NULL) {
		sp_str kept_text = sp_arena_try_dup(a, sp_buf_view(&strict));
		if (sp_buf_code(&strict) != SP_OK || (strict.len != 0 && kept_text.ptr == NULL))
			return no_room(&r);
		*ret_strict = kept_text;
	}
	*ret = v;
	return SP_OK;
}
