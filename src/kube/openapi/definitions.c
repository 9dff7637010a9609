/* SPDX-License-Identifier: Apache-2.0 */
/* Types as schemas: definitions of version 2, components of version 3. */
#include "kube/openapi/openapi_int.h"

#define META "io.k8s.apimachinery.pkg.apis.meta.v1."
#define CRD_V1 "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

/* Types that are no objects of the tables but have a definition. */
typedef struct special_type {
	sp_str name, description;
	sp_str v2, v3; /* the members between braces */
} special_type;

static const special_type specials[SP_K_COUNT_] = {
	[SP_K_QUANTITY] = {SP_STR_INIT("io.k8s.apimachinery.pkg.api.resource.Quantity"),
			   SP_STR_INIT("An exact number with an optional suffix: n u m k M G T P E, Ki Mi Gi "
				       "Ti Pi Ei, or e "
				       "and an exponent."),
			   SP_STR_INIT("\"type\":\"string\""),
			   SP_STR_INIT("\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]")},
	[SP_K_TIME] = {SP_STR_INIT(META "Time"), SP_STR_INIT("A moment as RFC 3339 text, to the second."),
		       SP_STR_INIT("\"format\":\"date-time\",\"type\":\"string\""),
		       SP_STR_INIT("\"format\":\"date-time\",\"type\":\"string\"")},
	[SP_K_MICROTIME] = {SP_STR_INIT(META "MicroTime"),
			    SP_STR_INIT("A moment as RFC 3339 text, to the microsecond."),
			    SP_STR_INIT("\"format\":\"date-time\",\"type\":\"string\""),
			    SP_STR_INIT("\"format\":\"date-time\",\"type\":\"string\"")},
	[SP_K_DURATION] = {SP_STR_INIT(META "Duration"), SP_STR_INIT("A span of time, as 1h30m or 5s."),
			   SP_STR_INIT("\"type\":\"string\""), SP_STR_INIT("\"type\":\"string\"")},
	[SP_K_INT_OR_STRING] =
		{SP_STR_INIT("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
		 SP_STR_INIT("A number or a text."),
		 SP_STR_INIT("\"format\":\"int-or-string\",\"type\":\"string\""),
		 SP_STR_INIT("\"format\":\"int-or-string\",\"oneOf\":[{\"type\":\"integer\"},{\"type\":"
			     "\"string\"}]")},
	[SP_K_RAW] = {SP_STR_INIT("io.k8s.apimachinery.pkg.runtime.RawExtension"),
		      SP_STR_INIT("An object of any kind."), SP_STR_INIT("\"type\":\"object\""),
		      SP_STR_INIT("\"type\":\"object\"")},
	[SP_K_FIELDS_V1] = {SP_STR_INIT(META "FieldsV1"),
			    SP_STR_INIT("A set of fields, as a tree of their names."),
			    SP_STR_INIT("\"type\":\"object\""), SP_STR_INIT("\"type\":\"object\"")},
	[SP_K_JSON] = {SP_STR_INIT(CRD_V1 "JSON"), SP_STR_INIT("Any JSON value."), SP_STR_INIT(""),
		       SP_STR_INIT("")},
	[SP_K_PROPS_OR_ARRAY] = {SP_STR_INIT(CRD_V1 "JSONSchemaPropsOrArray"),
				 SP_STR_INIT("A schema, or a list of schemas."), SP_STR_INIT(""),
				 SP_STR_INIT("")},
	[SP_K_PROPS_OR_BOOL] = {SP_STR_INIT(CRD_V1 "JSONSchemaPropsOrBool"),
				SP_STR_INIT("A schema, or a truth value."), SP_STR_INIT(""), SP_STR_INIT("")},
	[SP_K_PROPS_OR_STRINGS] = {SP_STR_INIT(CRD_V1 "JSONSchemaPropsOrStringArray"),
				   SP_STR_INIT("A schema, or a list of texts."), SP_STR_INIT(""),
				   SP_STR_INIT("")},
};

static const char *const json_types[SP_K_COUNT_] = {
	[SP_K_STRING] = "string", [SP_K_BOOL] = "boolean", [SP_K_I32] = "integer",
	[SP_K_I64] = "integer",   [SP_K_F64] = "number",   [SP_K_BYTES] = "string",
	[SP_K_OBJECT] = "object", [SP_K_LIST] = "array",   [SP_K_MAP] = "object",
};

/* Discriminated unions, which the tables do not name. */
static const struct {
	sp_str name, json;
} unions[] = {
	{SP_STR_INIT("io.k8s.api.core.v1.AppArmorProfile"),
	 SP_STR_INIT("[{\"discriminator\":\"type\",\"fields-to-discriminateBy\":{\"localhostProfile\":"
		     "\"LocalhostProfile\"}}]")},
	{SP_STR_INIT("io.k8s.api.core.v1.PodSchedulingGroup"),
	 SP_STR_INIT("[{\"fields-to-discriminateBy\":{\"podGroupName\":\"PodGroupName\"}}]")},
	{SP_STR_INIT("io.k8s.api.core.v1.SeccompProfile"),
	 SP_STR_INIT("[{\"discriminator\":\"type\",\"fields-to-discriminateBy\":{\"localhostProfile\":"
		     "\"LocalhostProfile\"}}]")},
	{SP_STR_INIT("io.k8s.api.flowcontrol.v1.LimitResponse"),
	 SP_STR_INIT(
		 "[{\"discriminator\":\"type\",\"fields-to-discriminateBy\":{\"queuing\":\"Queuing\"}}]")},
	{SP_STR_INIT("io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec"),
	 SP_STR_INIT("[{\"discriminator\":\"type\",\"fields-to-discriminateBy\":{\"exempt\":\"Exempt\","
		     "\"limited\":\"Limited\"}}]")},
	{SP_STR_INIT("io.k8s.api.flowcontrol.v1.Subject"),
	 SP_STR_INIT("[{\"discriminator\":\"kind\",\"fields-to-discriminateBy\":{\"group\":\"Group\","
		     "\"serviceAccount\":"
		     "\"ServiceAccount\",\"user\":\"User\"}}]")},
};

/* -- marking -------------------------------------------------------------------------------------------- */

static bool type_index(sp_str name, size_t *ret)
{
	size_t lo = 0, hi = sp_n_schema_types;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = sp_str_cmp(sp_schema_types[mid]->name, name);
		if (c == 0) {
			*ret = mid;
			return true;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static void mark_fields(oa *w, const sp_schema *s)
{
	for (uint16_t i = 0; i < s->n_fields; i++) {
		if ((s->fields[i].flags & SP_F_INLINE) != 0)
			mark_fields(w, s->fields[i].schema);
		else
			oa_mark(w, s->fields[i].schema);
	}
}

/* Types nest a dozen levels at most; a type that holds itself is marked before its members. */
void oa_mark(oa *w, const sp_schema *s)
{
	size_t at;
	if (s == NULL)
		return;
	if (specials[s->kind].name.len > 0)
		w->special |= 1u << s->kind;
	if (s->kind == SP_K_LIST || s->kind == SP_K_MAP)
		oa_mark(w, s->items);
	if (s->kind != SP_K_OBJECT)
		return;
	if (s->name.len > 0 && type_index(s->name, &at)) {
		if (w->marked[at])
			return;
		w->marked[at] = true;
	}
	mark_fields(w, s);
}

void oa_mark_list(oa *w, const sp_kind *k)
{
	size_t at;
	sp_str name = oa_list_name(w, k);
	if (!type_index(name, &at))
		return;
	w->list_of[at] = k;
	oa_mark(w, sp_schema_types[at]);
}

sp_str oa_list_name(oa *w, const sp_kind *k)
{
	if (k->schema == NULL || !sp_str_ends(k->schema->name, k->kind))
		return SP_STR("");
	sp_str package = sp_str_sub(k->schema->name, 0, k->schema->name.len - k->kind.len);
	return sp_arena_printf(w->arena, SP_FMT SP_FMT, SP_ARG(package), SP_ARG(k->list_kind));
}

/* -- parts of a schema ---------------------------------------------------------------------------------- */

void oa_member_ref(oa *w, sp_str name)
{
	sp_jout_key(&w->j, SP_STR("$ref"));
	(void)sp_buf_printf(w->j.out, "\"#/%s/" SP_FMT "\"", w->v3 ? "components/schemas" : "definitions",
			    SP_ARG(name));
	w->j.comma = true;
}

void oa_write_ref(oa *w, sp_str name)
{
	sp_jout_open(&w->j, '{');
	oa_member_ref(w, name);
	sp_jout_close(&w->j, '}');
}

static sp_str ref_of(const sp_schema *s)
{
	return s->kind == SP_K_OBJECT ? s->name : specials[s->kind].name;
}

/* What version 3 says of the zero value of what is always there. */
static sp_str zero_default(const sp_schema *s, bool always)
{
	switch ((sp_schema_kind)s->kind) {
	case SP_K_OBJECT:
		return SP_STR("{}");
	case SP_K_STRING:
		return always ? SP_STR("\"\"") : SP_STR("");
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
		return always ? SP_STR("0") : SP_STR("");
	case SP_K_BOOL:
		return always ? SP_STR("false") : SP_STR("");
	case SP_K_ANY:
	case SP_K_BYTES:
	case SP_K_QUANTITY:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_DURATION:
	case SP_K_INT_OR_STRING:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_LIST:
	case SP_K_MAP:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
		break;
	}
	return SP_STR("");
}

static sp_str field_default(const oa *w, const sp_field *f)
{
	if (!w->v3)
		return SP_STR("");
	if (f->def.len > 0 && (f->flags & SP_F_DEF_UNPUBLISHED) == 0)
		return f->def;
	if ((f->flags & SP_F_POINTER) != 0)
		return SP_STR("");
	return zero_default(f->schema, (f->flags & SP_F_OMITEMPTY) == 0);
}

static void member_list_marks(oa *w, const sp_schema *s)
{
	static const sp_str list_types[] = {SP_STR_INIT("atomic"), SP_STR_INIT("set"), SP_STR_INIT("map")};
	bool list = s->kind == SP_K_LIST || s->kind == SP_K_BYTES;
	if ((s->flags & SP_S_TYPE_STATED) == 0)
		return;
	if (list)
		sp_jout_member_str(&w->j, SP_STR("x-kubernetes-list-type"), list_types[s->list_type]);
	else
		sp_jout_member_str(&w->j, SP_STR("x-kubernetes-map-type"),
				   s->map_type == SP_MAP_ATOMIC ? SP_STR("atomic") : SP_STR("granular"));
	if (s->n_list_keys > 0)
		sp_jout_member_strs(&w->j, SP_STR("x-kubernetes-list-map-keys"), s->list_keys,
				    s->n_list_keys);
}

static void member_patch_marks(oa *w, const sp_field *f)
{
	static const sp_str strategies[] = {SP_STR_INIT(""),           SP_STR_INIT("merge"),
					    SP_STR_INIT("replace"),    SP_STR_INIT("merge,replace"),
					    SP_STR_INIT("retainKeys"), SP_STR_INIT("merge,retainKeys")};
	uint32_t strategy = (f->flags / SP_F_SMP_MERGE) & 7;
	if (strategy > 0 && strategy < SP_LEN(strategies))
		sp_jout_member_str(&w->j, SP_STR("x-kubernetes-patch-strategy"), strategies[strategy]);
	if (f->merge_key.len > 0)
		sp_jout_member_str(&w->j, SP_STR("x-kubernetes-patch-merge-key"), f->merge_key);
}

/* A value's schema. `f` is the field it stands in, NULL for items. */
static void write_value(oa *w, const sp_schema *s, sp_str def, const sp_field *f)
{
	sp_jout *j = &w->j;
	sp_str ref = ref_of(s);
	sp_str description = f == NULL ? SP_STR("") : f->description;
	bool marks =
		f != NULL && ((s->flags & SP_S_TYPE_STATED) != 0 || (f->flags / SP_F_SMP_MERGE & 7) != 0);
	sp_jout_open(j, '{');
	if (ref.len > 0 && (!w->v3 || (def.len == 0 && description.len == 0 && !marks))) {
		oa_member_ref(w, ref);
	} else if (ref.len > 0) {
		/* Beside a $ref nothing else counts in version 3. */
		sp_jout_member_open(j, SP_STR("allOf"), '[');
		oa_write_ref(w, ref);
		sp_jout_close(j, ']');
	} else if (json_types[s->kind] != NULL) {
		sp_jout_member_str(j, SP_STR("type"), sp_str_c(json_types[s->kind]));
		if (s->format != NULL)
			sp_jout_member_str(j, SP_STR("format"), sp_str_c(s->format));
	}
	if (def.len > 0)
		sp_jout_member_raw(j, SP_STR("default"), def);
	if (description.len > 0)
		sp_jout_member_str(j, SP_STR("description"), description);
	if (s->kind == SP_K_LIST || s->kind == SP_K_MAP) {
		bool pointers = s->items->kind == SP_K_LIST || s->items->kind == SP_K_MAP;
		sp_jout_key(j, s->kind == SP_K_LIST ? SP_STR("items") : SP_STR("additionalProperties"));
		write_value(w, s->items,
			    w->v3 && !w->custom && !pointers ? zero_default(s->items, true) : SP_STR(""),
			    NULL);
	}
	if (f != NULL) {
		member_list_marks(w, s);
		member_patch_marks(w, f);
	}
	sp_jout_close(j, '}');
}

/* -- objects -------------------------------------------------------------------------------------------- */

static void write_properties(oa *w, const sp_schema *s)
{
	for (uint16_t i = 0; i < s->n_fields; i++) {
		const sp_field *f = &s->fields[i];
		if ((f->flags & SP_F_INLINE) != 0) {
			write_properties(w, f->schema);
			continue;
		}
		sp_jout_key(&w->j, f->name);
		write_value(w, f->schema, field_default(w, f), f);
	}
}

/* Names of required members, inline ones included; returns how many. */
static size_t write_required(oa *w, const sp_schema *s, size_t n)
{
	for (uint16_t i = 0; i < s->n_fields; i++) {
		const sp_field *f = &s->fields[i];
		if ((f->flags & SP_F_INLINE) != 0) {
			n = write_required(w, f->schema, n);
			continue;
		}
		if ((f->flags & SP_F_REQUIRED) == 0)
			continue;
		if (n++ == 0)
			sp_jout_member_open(&w->j, SP_STR("required"), '[');
		sp_jout_str(&w->j, f->name);
	}
	return n;
}

static void write_gvk(oa *w, const sp_kind *k, sp_str kind)
{
	sp_jout_open(&w->j, '{');
	sp_jout_member_str(&w->j, SP_STR("group"), k->group);
	sp_jout_member_str(&w->j, SP_STR("kind"), kind);
	sp_jout_member_str(&w->j, SP_STR("version"), k->version);
	sp_jout_close(&w->j, '}');
}

void oa_member_gvk(oa *w, const sp_kind *k, sp_str kind)
{
	sp_jout_member_open(&w->j, SP_STR("x-kubernetes-group-version-kind"), '[');
	write_gvk(w, k, kind);
	sp_jout_close(&w->j, ']');
}

static void member_gvks(oa *w, const sp_kind *const *kinds, size_t n)
{
	sp_jout_member_open(&w->j, SP_STR("x-kubernetes-group-version-kind"), '[');
	for (size_t i = 0; i < n; i++)
		write_gvk(w, kinds[i], kinds[i]->kind);
	sp_jout_close(&w->j, ']');
}

/* A type that several groups know is named in all of them; one document of version 3 tells its own. */
#define GVKS_MAX 64u
static void write_gvks(oa *w, const sp_schema *s, const sp_kind *list_of)
{
	const sp_kind *found[GVKS_MAX];
	size_t n = 0, own = GVKS_MAX;
	for (size_t i = 0; i < w->from->n_builtin && n < GVKS_MAX; i++) {
		const sp_kind *k = w->from->builtin[i];
		if (k->schema != s)
			continue;
		if (w->v3 && sp_str_eq(k->group, w->group) && sp_str_eq(k->version, w->version))
			own = n;
		found[n++] = k;
	}
	if (own < n)
		member_gvks(w, &found[own], 1);
	else if (n > 0)
		member_gvks(w, found, n);
	else if (list_of != NULL)
		oa_member_gvk(w, list_of, list_of->list_kind);
}

static void write_object(oa *w, const sp_schema *s, const sp_kind *list_of)
{
	sp_jout *j = &w->j;
	sp_jout_key(j, s->name);
	sp_jout_open(j, '{');
	if (s->description.len > 0)
		sp_jout_member_str(j, SP_STR("description"), s->description);
	if (s->n_fields > 0) {
		sp_jout_member_open(j, SP_STR("properties"), '{');
		write_properties(w, s);
		sp_jout_close(j, '}');
	}
	if (write_required(w, s, 0) > 0)
		sp_jout_close(j, ']');
	sp_jout_member_str(j, SP_STR("type"), SP_STR("object"));
	write_gvks(w, s, list_of);
	if (s->map_type == SP_MAP_ATOMIC)
		sp_jout_member_str(j, SP_STR("x-kubernetes-map-type"), SP_STR("atomic"));
	for (size_t i = 0; i < SP_LEN(unions); i++)
		if (sp_str_eq(unions[i].name, s->name))
			sp_jout_member_raw(j, SP_STR("x-kubernetes-unions"), unions[i].json);
	sp_jout_close(j, '}');
}

static void write_special(oa *w, const special_type *t)
{
	sp_str members = w->v3 ? t->v3 : t->v2;
	sp_jout_key(&w->j, t->name);
	sp_jout_open(&w->j, '{');
	sp_jout_member_str(&w->j, SP_STR("description"), t->description);
	if (members.len > 0)
		sp_jout_raw(&w->j, members);
	sp_jout_close(&w->j, '}');
}

void oa_write_definitions(oa *w)
{
	static const special_type patch = {
		SP_STR_INIT(META "Patch"), SP_STR_INIT("The body of a PATCH request."),
		SP_STR_INIT("\"type\":\"object\""), SP_STR_INIT("\"type\":\"object\"")};
	for (size_t i = 0; i < sp_n_schema_types; i++)
		if (w->marked[i])
			write_object(w, sp_schema_types[i], w->list_of[i]);
	for (size_t k = 0; k < SP_K_COUNT_; k++)
		if ((w->special & (1u << k)) != 0)
			write_special(w, &specials[k]);
	if (w->patch)
		write_special(w, &patch);
}
