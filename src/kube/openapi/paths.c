/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and their operations. */
#include "kube/kinds/kinds.h"
#include "kube/openapi/openapi_int.h"

#define META "io.k8s.apimachinery.pkg.apis.meta.v1."

/* -- operations ----------------------------------------------------------------------------------------- */

typedef enum op_body { BODY_NONE, BODY_OBJECT, BODY_OPTIONS, BODY_PATCH } op_body;
typedef enum op_answer {
	ANSWER_OBJECT,
	ANSWER_LIST,
	ANSWER_STATUS,
	ANSWER_DELETED,
	ANSWER_EVENT,
	ANSWER_TEXT
} op_answer;

enum { CODE_200 = 1, CODE_201 = 2, CODE_202 = 4 };

typedef struct op {
	sp_str method, verb, action, description;
	uint32_t params;
	op_body body;
	op_answer answer;
	uint8_t codes;
	bool collection; /* "Collection" in the id */
	sp_str suffix;   /* of the id */
} op;

#define DOC(text) SP_STR_INIT(text)
static const op op_list = {SP_STR_INIT("get"),
			   SP_STR_INIT("list"),
			   SP_STR_INIT("list"),
			   DOC("List or watch objects."),
			   OA_P_LISTS | OA_P(PRETTY),
			   BODY_NONE,
			   ANSWER_LIST,
			   CODE_200,
			   false,
			   SP_STR_INIT("")};
static const op op_list_all = {SP_STR_INIT("get"),
			       SP_STR_INIT("list"),
			       SP_STR_INIT("list"),
			       DOC("List or watch the objects of all namespaces."),
			       OA_P_LISTS | OA_P(PRETTY),
			       BODY_NONE,
			       ANSWER_LIST,
			       CODE_200,
			       false,
			       SP_STR_INIT("ForAllNamespaces")};
static const op op_create = {SP_STR_INIT("post"),
			     SP_STR_INIT("create"),
			     SP_STR_INIT("post"),
			     DOC("Create an object."),
			     OA_P_WRITES | OA_P(PRETTY),
			     BODY_OBJECT,
			     ANSWER_OBJECT,
			     CODE_200 | CODE_201 | CODE_202,
			     false,
			     SP_STR_INIT("")};
static const op op_delete_all = {SP_STR_INIT("delete"),
				 SP_STR_INIT("delete"),
				 SP_STR_INIT("deletecollection"),
				 DOC("Delete a set of objects."),
				 OA_P_DELETES | OA_P(PRETTY) |
					 (OA_P_LISTS & ~(OA_P(ALLOW_BOOKMARKS) | OA_P(WATCH))),
				 BODY_OPTIONS,
				 ANSWER_STATUS,
				 CODE_200,
				 true,
				 SP_STR_INIT("")};
static const op op_read = {SP_STR_INIT("get"),
			   SP_STR_INIT("read"),
			   SP_STR_INIT("get"),
			   DOC("Read one object."),
			   OA_P(PRETTY),
			   BODY_NONE,
			   ANSWER_OBJECT,
			   CODE_200,
			   false,
			   SP_STR_INIT("")};
static const op op_replace = {SP_STR_INIT("put"),
			      SP_STR_INIT("replace"),
			      SP_STR_INIT("put"),
			      DOC("Replace an object."),
			      OA_P_WRITES | OA_P(PRETTY),
			      BODY_OBJECT,
			      ANSWER_OBJECT,
			      CODE_200 | CODE_201,
			      false,
			      SP_STR_INIT("")};
static const op op_delete = {SP_STR_INIT("delete"),    SP_STR_INIT("delete"),       SP_STR_INIT("delete"),
			     DOC("Delete an object."), OA_P_DELETES | OA_P(PRETTY), BODY_OPTIONS,
			     ANSWER_DELETED,           CODE_200 | CODE_202,         false,
			     SP_STR_INIT("")};
static const op op_patch = {SP_STR_INIT("patch"),
			    SP_STR_INIT("patch"),
			    SP_STR_INIT("patch"),
			    DOC("Change a part of an object, or apply it."),
			    OA_P_WRITES | OA_P(FORCE) | OA_P(PRETTY),
			    BODY_PATCH,
			    ANSWER_OBJECT,
			    CODE_200 | CODE_201,
			    false,
			    SP_STR_INIT("")};
static const op op_watch = {SP_STR_INIT("get"),
			    SP_STR_INIT("watch"),
			    SP_STR_INIT("watch"),
			    DOC("Watch one object. Deprecated: list with watch and a field selector."),
			    OA_P_LISTS | OA_P(PRETTY),
			    BODY_NONE,
			    ANSWER_EVENT,
			    CODE_200,
			    false,
			    SP_STR_INIT("")};
static const op op_watch_list = {SP_STR_INIT("get"),
				 SP_STR_INIT("watch"),
				 SP_STR_INIT("watchlist"),
				 DOC("Watch objects. Deprecated: list with watch."),
				 OA_P_LISTS | OA_P(PRETTY),
				 BODY_NONE,
				 ANSWER_EVENT,
				 CODE_200,
				 false,
				 SP_STR_INIT("List")};
static const op op_watch_all = {SP_STR_INIT("get"),
				SP_STR_INIT("watch"),
				SP_STR_INIT("watchlist"),
				DOC("Watch the objects of all namespaces. Deprecated: list with watch."),
				OA_P_LISTS | OA_P(PRETTY),
				BODY_NONE,
				ANSWER_EVENT,
				CODE_200,
				false,
				SP_STR_INIT("ListForAllNamespaces")};
static const op op_text = {SP_STR_INIT("get"),
			   SP_STR_INIT("read"),
			   SP_STR_INIT("get"),
			   DOC("Read as text."),
			   OA_P(PRETTY),
			   BODY_NONE,
			   ANSWER_TEXT,
			   CODE_200,
			   false,
			   SP_STR_INIT("")};

/* The three that CRDs have in a form of their own. */
static const op op_custom_delete_all = {SP_STR_INIT("delete"),
					SP_STR_INIT("delete"),
					SP_STR_INIT("deletecollection"),
					DOC("Delete a set of objects."),
					OA_P_LISTS | OA_P(PRETTY),
					BODY_NONE,
					ANSWER_STATUS,
					CODE_200,
					true,
					SP_STR_INIT("")};
static const op op_custom_read = {SP_STR_INIT("get"),
				  SP_STR_INIT("read"),
				  SP_STR_INIT("get"),
				  DOC("Read one object."),
				  OA_P(RESOURCE_VERSION) | OA_P(PRETTY),
				  BODY_NONE,
				  ANSWER_OBJECT,
				  CODE_200,
				  false,
				  SP_STR_INIT("")};
static const op op_custom_patch = {SP_STR_INIT("patch"),
				   SP_STR_INIT("patch"),
				   SP_STR_INIT("patch"),
				   DOC("Change a part of an object, or apply it."),
				   OA_P_WRITES | OA_P(FORCE) | OA_P(PRETTY),
				   BODY_PATCH,
				   ANSWER_OBJECT,
				   CODE_200,
				   false,
				   SP_STR_INIT("")};

/* Connections take any method that the subresource's verbs allow. */
static const struct {
	uint8_t verb;
	op op;
} connects[] = {
#define CONNECT(bit, method, word)                                                                          \
	{                                                                                                   \
		bit,                                                                                        \
		{                                                                                           \
			SP_STR_INIT(method), SP_STR_INIT(word), SP_STR_INIT("connect"), DOC("Connect."), 0, \
				BODY_NONE, ANSWER_TEXT, CODE_200, false, SP_STR_INIT("")                    \
		}                                                                                           \
	}
	CONNECT(SP_VERB_GET, "get", "Get"),
	CONNECT(SP_VERB_UPDATE, "put", "Put"),
	CONNECT(SP_VERB_CREATE, "post", "Post"),
	CONNECT(SP_VERB_DELETE, "delete", "Delete"),
	CONNECT(SP_VERB_DELETE, "options", "Options"),
	CONNECT(SP_VERB_DELETE, "head", "Head"),
	CONNECT(SP_VERB_PATCH, "patch", "Patch"),
};

#define OPS_MAX 8u

/* One path with what its operations share. */
typedef struct item {
	const sp_kind *kind;
	const sp_subresource *sub; /* or NULL */
	bool custom, in_namespace, has_name, with_path;
	bool connect;
	sp_str object, list;                     /* names of definitions */
	sp_str gvk_group, gvk_version, gvk_kind; /* of the operations */
	const sp_schema *options;                /* query parameters of connections and logs */
	const op *ops[OPS_MAX];
	size_t n_ops;
} item;

static void add_op(item *it, const op *o)
{
	SP_ASSERT(it->n_ops < OPS_MAX);
	it->ops[it->n_ops++] = o;
}

/* -- names ---------------------------------------------------------------------------------------------- */

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static void append_capital(sp_buf *out, sp_str s)
{
	if (s.len > 0) {
		(void)sp_buf_char(out, upper(s.ptr[0]));
		(void)sp_buf_str(out, sp_str_sub(s, 1, s.len));
	}
}

/* Parts of a group's name run together: rbac.authorization.k8s.io is rbacAuthorization. */
void oa_group_word(sp_buf *out, sp_str group, bool capital)
{
	sp_str rest = group.len == 0 ? SP_STR("core") : group, part;
	if (sp_str_ends(rest, SP_STR(".k8s.io")))
		rest.len -= sizeof(".k8s.io") - 1;
	for (bool more = true, first = true; more; first = false) {
		more = sp_str_cut(&rest, '.', &part);
		if (!more)
			part = rest;
		if (first && !capital)
			(void)sp_buf_str(out, part);
		else
			append_capital(out, part);
	}
}

static void member_tags(oa *w, sp_str group, sp_str version)
{
	sp_buf *out = w->j.out;
	sp_jout_member_open(&w->j, SP_STR("tags"), '[');
	(void)sp_buf_char(out, '"');
	oa_group_word(out, group, false);
	if (version.len > 0) {
		(void)sp_buf_char(out, '_');
		(void)sp_buf_str(out, version);
	}
	(void)sp_buf_char(out, '"');
	w->j.comma = true;
	sp_jout_close(&w->j, ']');
}

static void member_id(oa *w, const item *it, const op *o)
{
	sp_buf *out = w->j.out;
	sp_jout_key(&w->j, SP_STR("operationId"));
	(void)sp_buf_char(out, '"');
	(void)sp_buf_str(out, it->connect ? SP_STR("connect") : o->verb);
	oa_group_word(out, it->kind->group, true);
	append_capital(out, it->kind->version);
	if (it->connect)
		(void)sp_buf_str(out, o->verb);
	if (o->collection)
		(void)sp_buf_str(out, SP_STR("Collection"));
	if (it->in_namespace)
		(void)sp_buf_str(out, SP_STR("Namespaced"));
	append_capital(out, it->kind->kind);
	if (it->sub != NULL)
		append_capital(out, it->sub->name);
	(void)sp_buf_str(out, o->suffix);
	if (it->with_path)
		(void)sp_buf_str(out, SP_STR("WithPath"));
	(void)sp_buf_char(out, '"');
	w->j.comma = true;
}

/* -- media types ---------------------------------------------------------------------------------------- */

#define JSON_YAML SP_STR_INIT("application/json"), SP_STR_INIT("application/yaml")
#define PROTO SP_STR_INIT("application/vnd.kubernetes.protobuf")
static const sp_str media_object[] = {JSON_YAML, PROTO, SP_STR_INIT("application/cbor")};
static const sp_str media_stream[] = {JSON_YAML,
				      PROTO,
				      SP_STR_INIT("application/cbor"),
				      SP_STR_INIT("application/json;stream=watch"),
				      SP_STR_INIT("application/vnd.kubernetes.protobuf;stream=watch"),
				      SP_STR_INIT("application/cbor-seq")};
static const sp_str media_text[] = {SP_STR_INIT("text/plain"), JSON_YAML, PROTO,
				    SP_STR_INIT("application/cbor")};
static const sp_str media_custom[] = {JSON_YAML};
static const sp_str media_document[] = {JSON_YAML, PROTO};
static const sp_str media_json[] = {SP_STR_INIT("application/json")};
static const sp_str media_keys[] = {SP_STR_INIT("application/jwk-set+json")};
static const sp_str media_any[] = {SP_STR_INIT("*/*")};
static const sp_str media_patch[] = {
	SP_STR_INIT("application/json-patch+json"), SP_STR_INIT("application/merge-patch+json"),
	SP_STR_INIT("application/strategic-merge-patch+json"), SP_STR_INIT("application/apply-patch+yaml"),
	SP_STR_INIT("application/apply-patch+cbor")};
static const sp_str media_custom_patch[] = {SP_STR_INIT("application/json-patch+json"),
					    SP_STR_INIT("application/merge-patch+json"),
					    SP_STR_INIT("application/apply-patch+yaml")};

typedef struct media {
	const sp_str *types;
	size_t n;
} media;
#define MEDIA(table) ((media){table, SP_LEN(table)})

static media produces(const item *it, const op *o)
{
	if (it->connect)
		return MEDIA(media_any);
	if (o->answer == ANSWER_TEXT)
		return MEDIA(media_text);
	if (it->custom)
		return MEDIA(media_custom);
	return o->answer == ANSWER_LIST || o->answer == ANSWER_EVENT ? MEDIA(media_stream)
								     : MEDIA(media_object);
}

static media consumes(const item *it, const op *o)
{
	if (o->body == BODY_PATCH)
		return it->custom ? MEDIA(media_custom_patch) : MEDIA(media_patch);
	return it->custom && o->body != BODY_NONE ? MEDIA(media_custom) : MEDIA(media_any);
}

/* -- bodies and answers --------------------------------------------------------------------------------- */

static void write_schema(oa *w, sp_str definition)
{
	if (definition.len > 0)
		oa_write_ref(w, definition);
	else
		sp_jout_raw(&w->j, SP_STR("{\"type\":\"string\"}"));
}

static sp_str body_name(const item *it, const op *o)
{
	return o->body == BODY_PATCH     ? SP_STR(META "Patch")
	       : o->body == BODY_OPTIONS ? SP_STR(META "DeleteOptions")
					 : it->object;
}

static bool returns_deleted(const item *it)
{
	const sp_kind_hooks *h = it->kind->hooks;
	return h != NULL && (h->flags & SP_KIND_RETURNS_DELETED) != 0;
}

static sp_str answer_name(const item *it, const op *o)
{
	switch (o->answer) {
	case ANSWER_OBJECT:
		return it->object;
	case ANSWER_LIST:
		return it->list;
	case ANSWER_DELETED:
		return returns_deleted(it) ? it->object : SP_STR(META "Status");
	case ANSWER_STATUS:
		return SP_STR(META "Status");
	case ANSWER_EVENT:
		return SP_STR(META "WatchEvent");
	case ANSWER_TEXT:
		break;
	}
	return SP_STR("");
}

/* {"content":{TYPE:{"schema":…}},…} of version 3 */
static void member_content(oa *w, media m, sp_str definition)
{
	sp_jout_member_open(&w->j, SP_STR("content"), '{');
	for (size_t i = 0; i < m.n; i++) {
		sp_jout_member_open(&w->j, m.types[i], '{');
		sp_jout_key(&w->j, SP_STR("schema"));
		write_schema(w, definition);
		sp_jout_close(&w->j, '}');
	}
	sp_jout_close(&w->j, '}');
}

static void write_response(oa *w, sp_str code, sp_str text, media m, sp_str definition, bool has_body)
{
	sp_jout_member_open(&w->j, code, '{');
	if (has_body && w->v3) {
		member_content(w, m, definition);
	} else if (has_body) {
		sp_jout_key(&w->j, SP_STR("schema"));
		write_schema(w, definition);
	}
	sp_jout_member_str(&w->j, SP_STR("description"), text);
	sp_jout_close(&w->j, '}');
}

static void member_responses(oa *w, media m, sp_str definition, uint8_t codes)
{
	static const struct {
		uint8_t bit;
		sp_str code, text;
	} rows[] = {{CODE_200, SP_STR_INIT("200"), SP_STR_INIT("OK")},
		    {CODE_201, SP_STR_INIT("201"), SP_STR_INIT("Created")},
		    {CODE_202, SP_STR_INIT("202"), SP_STR_INIT("Accepted")}};
	sp_jout_member_open(&w->j, SP_STR("responses"), '{');
	for (size_t i = 0; i < SP_LEN(rows); i++)
		if ((codes & rows[i].bit) != 0)
			write_response(w, rows[i].code, rows[i].text, m, definition, true);
	write_response(w, SP_STR("401"), SP_STR("Unauthorized"), m, definition, false);
	sp_jout_close(&w->j, '}');
}

static void write_v2_body(oa *w, const item *it, const op *o)
{
	sp_jout_open(&w->j, '{');
	sp_jout_member_str(&w->j, SP_STR("in"), SP_STR("body"));
	sp_jout_member_str(&w->j, SP_STR("name"), SP_STR("body"));
	if (o->body != BODY_OPTIONS)
		sp_jout_member_bool(&w->j, SP_STR("required"), true);
	sp_jout_key(&w->j, SP_STR("schema"));
	write_schema(w, body_name(it, o));
	sp_jout_close(&w->j, '}');
}

static void member_v3_body(oa *w, const item *it, const op *o)
{
	sp_jout_member_open(&w->j, SP_STR("requestBody"), '{');
	member_content(w, consumes(it, o), body_name(it, o));
	if (o->body != BODY_OPTIONS)
		sp_jout_member_bool(&w->j, SP_STR("required"), true);
	sp_jout_close(&w->j, '}');
}

/* -- one operation, one path ---------------------------------------------------------------------------- */

static void member_v2_media(oa *w, media in, media out)
{
	if (in.n > 0)
		sp_jout_member_strs(&w->j, SP_STR("consumes"), in.types, in.n);
	if (out.n > 0)
		sp_jout_member_strs(&w->j, SP_STR("produces"), out.types, out.n);
	sp_jout_member_raw(&w->j, SP_STR("schemes"), SP_STR("[\"https\"]"));
}

static void write_op(oa *w, const item *it, const op *o, uint32_t shared)
{
	sp_jout *j = &w->j;
	uint32_t own = o->params & ~shared;
	sp_jout_member_open(j, o->method, '{');
	sp_jout_member_str(j, SP_STR("description"), o->description);
	member_id(w, it, o);
	member_tags(w, it->kind->group, it->kind->version);
	if (own != 0 || (o->body != BODY_NONE && !w->v3)) {
		sp_jout_member_open(j, SP_STR("parameters"), '[');
		if (o->body != BODY_NONE && !w->v3)
			write_v2_body(w, it, o);
		oa_write_params(w, own);
		sp_jout_close(j, ']');
	}
	if (o->body != BODY_NONE && w->v3)
		member_v3_body(w, it, o);
	member_responses(w, produces(it, o), answer_name(it, o), o->codes);
	if (!w->v3)
		member_v2_media(w, consumes(it, o), produces(it, o));
	sp_jout_member_str(j, SP_STR("x-kubernetes-action"), o->action);
	sp_jout_member_open(j, SP_STR("x-kubernetes-group-version-kind"), '{');
	sp_jout_member_str(j, SP_STR("group"), it->gvk_group);
	sp_jout_member_str(j, SP_STR("kind"), it->gvk_kind);
	sp_jout_member_str(j, SP_STR("version"), it->gvk_version);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

static void key_path(oa *w, const item *it, bool watch)
{
	sp_buf *out = w->j.out;
	const sp_kind *k = it->kind;
	sp_jout_str(&w->j, SP_STR(""));
	out->len--; /* the closing quote: the path goes between */
	(void)sp_buf_printf(out, k->group.len > 0 ? "/apis/" SP_FMT "/" : "/api" SP_FMT "/",
			    SP_ARG(k->group));
	(void)sp_buf_str(out, k->version);
	(void)sp_buf_printf(out, "%s%s/" SP_FMT "%s", watch ? "/watch" : "",
			    it->in_namespace ? "/namespaces/{namespace}" : "", SP_ARG(k->plural),
			    it->has_name ? "/{name}" : "");
	if (it->sub != NULL)
		(void)sp_buf_printf(out, "/" SP_FMT, SP_ARG(it->sub->name));
	(void)sp_buf_printf(out, "%s\":", it->with_path ? "/{path}" : "");
	w->j.comma = false;
}

static void write_item(oa *w, const item *it, bool watch)
{
	sp_jout *j = &w->j;
	uint32_t shared = it->n_ops > 0 ? it->ops[0]->params : 0;
	for (size_t i = 1; i < it->n_ops; i++)
		shared &= it->ops[i]->params;
	key_path(w, it, watch);
	sp_jout_open(j, '{');
	for (size_t i = 0; i < it->n_ops; i++)
		write_op(w, it, it->ops[i], shared);
	if (shared != 0 || it->in_namespace || it->has_name || it->options != NULL) {
		sp_jout_member_open(j, SP_STR("parameters"), '[');
		oa_write_params(w, shared | (it->in_namespace ? OA_P(NAMESPACE) : 0));
		if (it->has_name)
			oa_write_path_param(w, SP_STR("name"), SP_STR("Name of the object."));
		if (it->with_path)
			oa_write_path_param(w, SP_STR("path"), SP_STR("What is asked of the other side."));
		oa_write_option_params(w, it->options);
		sp_jout_close(j, ']');
	}
	sp_jout_close(j, '}');
}

/* -- resources ------------------------------------------------------------------------------------------ */

static sp_str definition_of(const sp_kind *k)
{
	return k == NULL || k->schema == NULL ? SP_STR("") : k->schema->name;
}

static item new_item(oa *w, const sp_kind *k, bool custom)
{
	item it = {.kind = k,
		   .custom = custom,
		   .gvk_group = k->group,
		   .gvk_version = k->version,
		   .gvk_kind = k->kind};
	it.object = custom ? oa_custom_name(w, k, "") : definition_of(k);
	it.list = custom ? oa_custom_name(w, k, "List") : oa_list_name(w, k);
	return it;
}

static void write_collection(oa *w, item it)
{
	uint8_t verbs = it.kind->verbs;
	it.in_namespace = it.kind->namespaced;
	if ((verbs & SP_VERB_LIST) != 0)
		add_op(&it, &op_list);
	if ((verbs & SP_VERB_CREATE) != 0)
		add_op(&it, &op_create);
	if ((verbs & SP_VERB_DELETECOLLECTION) != 0)
		add_op(&it, it.custom ? &op_custom_delete_all : &op_delete_all);
	if (it.n_ops > 0)
		write_item(w, &it, false);
}

static void write_named(oa *w, item it)
{
	uint8_t verbs = it.kind->verbs;
	it.in_namespace = it.kind->namespaced;
	it.has_name = true;
	if ((verbs & SP_VERB_GET) != 0)
		add_op(&it, it.custom ? &op_custom_read : &op_read);
	if ((verbs & SP_VERB_UPDATE) != 0)
		add_op(&it, &op_replace);
	if ((verbs & SP_VERB_DELETE) != 0)
		add_op(&it, &op_delete);
	if ((verbs & SP_VERB_PATCH) != 0)
		add_op(&it, it.custom ? &op_custom_patch : &op_patch);
	if (it.n_ops > 0)
		write_item(w, &it, false);
}

/* The list over all namespaces, and the old paths of watches. */
static void write_others(oa *w, item it)
{
	uint8_t verbs = it.kind->verbs;
	bool namespaced = it.kind->namespaced;
	item all = it, list = it, one = it;
	if (namespaced && (verbs & SP_VERB_LIST) != 0) {
		add_op(&all, &op_list_all);
		write_item(w, &all, false);
	}
	if (it.custom || (verbs & SP_VERB_WATCH) == 0)
		return;
	all.n_ops = 0;
	if (namespaced) {
		add_op(&all, &op_watch_all);
		write_item(w, &all, true);
	}
	list.in_namespace = one.in_namespace = namespaced;
	add_op(&list, &op_watch_list);
	write_item(w, &list, true);
	one.has_name = true;
	add_op(&one, &op_watch);
	write_item(w, &one, true);
}

static bool is_connect(const sp_subresource *s)
{
	return sp_str_ends(s->kind, SP_STR("Options"));
}

static bool is_log(const sp_subresource *s)
{
	return sp_str_eq(s->name, SP_STR("log"));
}

static const sp_kind *kind_of_sub(const sp_kind *k, const sp_subresource *s)
{
	return s->version.len > 0 ? sp_kind_by_kind(s->group, s->version, s->kind)
				  : sp_kind_by_kind(k->group, k->version, s->kind);
}

static const sp_schema *options_of(const sp_kind *k, const sp_subresource *s)
{
	const sp_kind *body = is_log(s) ? sp_kind_by_kind(k->group, k->version, SP_STR("PodLogOptions"))
					: kind_of_sub(k, s);
	return body == NULL || !(is_log(s) || is_connect(s)) ? NULL : body->schema;
}

static void write_sub(oa *w, item it, const sp_subresource *s)
{
	const sp_kind *body = kind_of_sub(it.kind, s);
	it.in_namespace = it.kind->namespaced;
	it.has_name = true;
	it.sub = s;
	it.connect = is_connect(s);
	it.options = options_of(it.kind, s);
	if (s->version.len > 0 && !it.custom) {
		it.gvk_group = s->group;
		it.gvk_version = s->version;
	}
	if (!it.custom) /* upstream names a CRD's own kind even for its scale */
		it.gvk_kind = s->kind;
	if (body != NULL && (!it.custom || s->version.len > 0))
		it.object = definition_of(body);
	if (it.connect) {
		for (size_t i = 0; i < SP_LEN(connects); i++)
			if ((s->verbs & connects[i].verb) != 0)
				add_op(&it, &connects[i].op);
	} else {
		if ((s->verbs & SP_VERB_GET) != 0)
			add_op(&it, is_log(s) ? &op_text : it.custom ? &op_custom_read : &op_read);
		if ((s->verbs & SP_VERB_UPDATE) != 0)
			add_op(&it, &op_replace);
		if ((s->verbs & SP_VERB_CREATE) != 0)
			add_op(&it, &op_create);
		if ((s->verbs & SP_VERB_PATCH) != 0)
			add_op(&it, it.custom ? &op_custom_patch : &op_patch);
	}
	write_item(w, &it, false);
	it.with_path = it.connect && (s->verbs & SP_VERB_DELETE) != 0;
	if (it.with_path)
		write_item(w, &it, false);
}

void oa_write_resource(oa *w, const sp_kind *k, bool custom)
{
	item it = new_item(w, k, custom);
	write_collection(w, it);
	write_named(w, it);
	for (uint16_t i = 0; i < k->n_subresources; i++)
		write_sub(w, it, &k->subresources[i]);
	write_others(w, it);
}

void oa_mark_resource(oa *w, const sp_kind *k, bool custom)
{
	uint8_t verbs = k->verbs;
	if (!custom) {
		oa_mark(w, k->schema);
		if ((verbs & SP_VERB_LIST) != 0)
			oa_mark_list(w, k);
	} else {
		oa_mark(w, sp_schema_by_name(SP_STR(META "ObjectMeta")));
		oa_mark(w, sp_schema_by_name(SP_STR(META "ListMeta")));
	}
	for (uint16_t i = 0; i < k->n_subresources; i++) {
		const sp_subresource *s = &k->subresources[i];
		const sp_kind *body = kind_of_sub(k, s);
		if (body != NULL && !is_connect(s) && (!custom || s->version.len > 0))
			oa_mark(w, body->schema);
		w->patch = w->patch || (s->verbs & SP_VERB_PATCH) != 0;
	}
	if ((verbs & (SP_VERB_DELETE | SP_VERB_DELETECOLLECTION)) != 0) {
		oa_mark(w, sp_schema_by_name(SP_STR(META "DeleteOptions")));
		oa_mark(w, sp_schema_by_name(SP_STR(META "Status")));
	}
	if ((verbs & SP_VERB_WATCH) != 0 && !custom)
		oa_mark(w, sp_schema_by_name(SP_STR(META "WatchEvent")));
	w->patch = w->patch || (verbs & SP_VERB_PATCH) != 0;
}

/* -- what is no resource -------------------------------------------------------------------------------- */

/* A GET without parameters. */
typedef struct plain {
	sp_str description, definition;
	media in, out;
} plain;

static void write_plain_tail(oa *w, const plain *p)
{
	member_responses(w, p->out, p->definition, CODE_200);
	if (!w->v3)
		member_v2_media(w, p->in, p->out);
	sp_jout_close(&w->j, '}');
}

void oa_write_group_version_item(oa *w, sp_str group, sp_str version)
{
	sp_jout *j = &w->j;
	sp_buf *out = j->out;
	plain p = {SP_STR("List the resources of a version."), SP_STR(META "APIResourceList"),
		   MEDIA(media_object), MEDIA(media_object)};
	oa_mark(w, sp_schema_by_name(p.definition));
	sp_str path = group.len > 0 ? sp_arena_printf(w->arena, "/apis/" SP_FMT "/" SP_FMT "/", SP_ARG(group),
						      SP_ARG(version))
				    : sp_arena_printf(w->arena, "/api/" SP_FMT "/", SP_ARG(version));
	sp_jout_member_open(j, path, '{');
	sp_jout_member_open(j, SP_STR("get"), '{');
	sp_jout_member_str(j, SP_STR("description"), p.description);
	sp_jout_key(j, SP_STR("operationId"));
	(void)sp_buf_str(out, SP_STR("\"get"));
	oa_group_word(out, group, true);
	append_capital(out, version);
	(void)sp_buf_str(out, SP_STR("APIResources\""));
	j->comma = true;
	member_tags(w, group, version);
	write_plain_tail(w, &p);
	sp_jout_close(j, '}');
}

void oa_write_group_item(oa *w, sp_str group)
{
	sp_jout *j = &w->j;
	sp_buf *out = j->out;
	plain p = {SP_STR("Read about a group."), SP_STR(META "APIGroup"), MEDIA(media_document),
		   MEDIA(media_document)};
	oa_mark(w, sp_schema_by_name(p.definition));
	sp_jout_member_open(j, sp_arena_printf(w->arena, "/apis/" SP_FMT "/", SP_ARG(group)), '{');
	sp_jout_member_open(j, SP_STR("get"), '{');
	sp_jout_member_str(j, SP_STR("description"), p.description);
	sp_jout_key(j, SP_STR("operationId"));
	(void)sp_buf_str(out, SP_STR("\"get"));
	oa_group_word(out, group, true);
	(void)sp_buf_str(out, SP_STR("APIGroup\""));
	j->comma = true;
	member_tags(w, group, SP_STR(""));
	write_plain_tail(w, &p);
	sp_jout_close(j, '}');
}

#define ROOT_MEDIA(table)            \
	{                            \
		table, SP_LEN(table) \
	}
static const sp_str root_paths[] = {SP_STR_INIT("api"), SP_STR_INIT("apis"), SP_STR_INIT("version"),
				    SP_STR_INIT("openid/v1/jwks"),
				    SP_STR_INIT(".well-known/openid-configuration")};
/* In the order of root_paths. */
static const struct {
	sp_str id, tag;
	plain plain;
} roots[] = {
	{SP_STR_INIT("getCoreAPIVersions"),
	 SP_STR_INIT("core"),
	 {DOC("List the versions of the core group."), SP_STR_INIT(META "APIVersions"),
	  ROOT_MEDIA(media_document), ROOT_MEDIA(media_document)}},
	{SP_STR_INIT("getAPIVersions"),
	 SP_STR_INIT("apis"),
	 {DOC("List the groups."), SP_STR_INIT(META "APIGroupList"), ROOT_MEDIA(media_document),
	  ROOT_MEDIA(media_document)}},
	{SP_STR_INIT("getCodeVersion"),
	 SP_STR_INIT("version"),
	 {DOC("Read the version of the server."), SP_STR_INIT("io.k8s.apimachinery.pkg.version.Info"),
	  ROOT_MEDIA(media_json), ROOT_MEDIA(media_json)}},
	{SP_STR_INIT("getServiceAccountIssuerOpenIDKeyset"),
	 SP_STR_INIT("openid"),
	 {DOC("Read the public keys that check service account tokens."),
	  SP_STR_INIT(""),
	  {NULL, 0},
	  ROOT_MEDIA(media_keys)}},
	{SP_STR_INIT("getServiceAccountIssuerOpenIDConfiguration"),
	 SP_STR_INIT("WellKnown"),
	 {DOC("Read the OpenID configuration of the token issuer."),
	  SP_STR_INIT(""),
	  {NULL, 0},
	  ROOT_MEDIA(media_json)}},
};
_Static_assert(SP_LEN(roots) == SP_LEN(root_paths), "one row for each path");

size_t oa_root_paths(const sp_str **ret)
{
	*ret = root_paths;
	return SP_LEN(root_paths);
}

bool oa_write_root_item(oa *w, sp_str path)
{
	sp_jout *j = &w->j;
	for (size_t i = 0; i < SP_LEN(roots); i++) {
		if (!sp_str_eq(root_paths[i], path))
			continue;
		const plain *p = &roots[i].plain;
		oa_mark(w, p->definition.len > 0 ? sp_schema_by_name(p->definition) : NULL);
		sp_jout_member_open(j, sp_arena_printf(w->arena, "/" SP_FMT "/", SP_ARG(path)), '{');
		sp_jout_member_open(j, SP_STR("get"), '{');
		sp_jout_member_str(j, SP_STR("description"), p->description);
		sp_jout_member_str(j, SP_STR("operationId"), roots[i].id);
		sp_jout_member_strs(j, SP_STR("tags"), &roots[i].tag, 1);
		write_plain_tail(w, p);
		sp_jout_close(j, '}');
		return true;
	}
	return false;
}
