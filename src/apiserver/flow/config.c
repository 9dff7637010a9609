/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/flow/config.h"

#include "base/alloc.h"

#include <stdlib.h>

#define CONFIG_BYTES_MAX ((size_t)16 << 20)
#define LEVELS_MAX 1024u
#define SCHEMAS_MAX 4096u

/* ---- priority levels, as they are written ---- */

typedef struct level_text {
	sp_str name, uid;
	int64_t shares;
	api_level_spec spec;
	api_level *level; /* when it is taken over */
} level_text;

typedef struct reading {
	sp_arena arena;
	level_text *levels;
	size_t n_levels;
	api_flow_schema *schemas;
	size_t n_schemas;
} reading;

static int64_t number(yyjson_val *obj, const char *key, int64_t otherwise)
{
	yyjson_val *v = yyjson_obj_get(obj, key);
	return yyjson_is_int(v) && yyjson_get_sint(v) >= 0 ? SP_MIN(yyjson_get_sint(v), INT32_MAX)
							   : otherwise;
}

static sp_str text(reading *r, yyjson_val *obj, const char *key)
{
	sp_str s = sp_arena_try_dup(&r->arena, sp_json_str(yyjson_obj_get(obj, key)));
	return s.ptr == NULL ? (sp_str){"", 0} : s;
}

static bool read_level(void *arg, sp_str rest, uint64_t revision, yyjson_val *obj)
{
	reading *r = arg;
	yyjson_val *meta = yyjson_obj_get(obj, "metadata"), *spec = yyjson_obj_get(obj, "spec");
	bool exempt = sp_str_eq(sp_json_str(yyjson_obj_get(spec, "type")), SP_STR("Exempt"));
	yyjson_val *own = yyjson_obj_get(spec, exempt ? "exempt" : "limited");
	yyjson_val *response = yyjson_obj_get(own, "limitResponse");
	yyjson_val *queuing = yyjson_obj_get(response, "queuing");
	(void)rest;
	(void)revision;
	if (r->n_levels + 2 >= LEVELS_MAX)
		return false;
	r->levels[r->n_levels++] = (level_text){
		.name = text(r, meta, "name"),
		.uid = text(r, meta, "uid"),
		.shares = number(own, "nominalConcurrencyShares", exempt ? 0 : 30),
		.spec = {.exempt = exempt,
			 .queuing = sp_str_eq(sp_json_str(yyjson_obj_get(response, "type")), SP_STR("Queue")),
			 .queues = (uint32_t)number(queuing, "queues", 64),
			 .hand_size = (uint32_t)number(queuing, "handSize", 8),
			 .queue_length = (uint32_t)number(queuing, "queueLengthLimit", 50)}};
	return true;
}

static level_text *level_of(reading *r, sp_str name)
{
	for (size_t i = 0; i < r->n_levels; i++) {
		if (sp_str_eq(r->levels[i].name, name))
			return &r->levels[i];
	}
	return NULL;
}

/* ---- flow schemas ---- */

static bool read_subjects(reading *r, yyjson_val *list, api_flow_rule *ret)
{
	static const struct {
		sp_str kind;
		const char *member;
		api_flow_subject_kind id;
	} kinds[] = {{SP_STR_INIT("User"), "user", API_FLOW_USER},
		     {SP_STR_INIT("Group"), "group", API_FLOW_GROUP},
		     {SP_STR_INIT("ServiceAccount"), "serviceAccount", API_FLOW_ACCOUNT}};
	size_t i, max;
	yyjson_val *item;
	ret->subjects = sp_try_new(&r->arena, api_flow_subject, yyjson_arr_size(list) + 1);
	if (ret->subjects == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, item)
	{
		api_flow_subject *s = &ret->subjects[ret->n_subjects++];
		for (size_t k = 0; k < SP_LEN(kinds); k++) {
			yyjson_val *member = yyjson_obj_get(item, kinds[k].member);
			if (member == NULL ||
			    !sp_str_eq(sp_json_str(yyjson_obj_get(item, "kind")), kinds[k].kind))
				continue;
			*s = (api_flow_subject){(uint8_t)kinds[k].id, text(r, member, "namespace"),
						text(r, member, "name")};
		}
	}
	return true;
}

static bool read_resources(reading *r, yyjson_val *list, api_flow_rule *ret)
{
	size_t i, max;
	yyjson_val *item;
	ret->resources = sp_try_new(&r->arena, api_flow_resource_rule, yyjson_arr_size(list) + 1);
	if (ret->resources == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, item)
	{
		api_flow_resource_rule *to = &ret->resources[ret->n_resources++];
		to->cluster_scope = yyjson_get_bool(yyjson_obj_get(item, "clusterScope"));
		if (!api_strs_read(&r->arena, yyjson_obj_get(item, "verbs"), &to->verbs) ||
		    !api_strs_read(&r->arena, yyjson_obj_get(item, "apiGroups"), &to->groups) ||
		    !api_strs_read(&r->arena, yyjson_obj_get(item, "resources"), &to->resources) ||
		    !api_strs_read(&r->arena, yyjson_obj_get(item, "namespaces"), &to->namespaces))
			return false;
	}
	return true;
}

static bool read_rules(reading *r, yyjson_val *list, api_flow_schema *ret)
{
	size_t i, max;
	yyjson_val *item;
	ret->rules = sp_try_new(&r->arena, api_flow_rule, yyjson_arr_size(list) + 1);
	if (ret->rules == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, item)
	{
		api_flow_rule *to = &ret->rules[ret->n_rules++];
		if (!read_subjects(r, yyjson_obj_get(item, "subjects"), to) ||
		    !read_resources(r, yyjson_obj_get(item, "resourceRules"), to) ||
		    !api_rules_read(&r->arena, yyjson_obj_get(item, "nonResourceRules"), &to->paths))
			return false;
	}
	return true;
}

/* One whose level is not there is as if it were not there either. */
static bool read_schema(void *arg, sp_str rest, uint64_t revision, yyjson_val *obj)
{
	reading *r = arg;
	yyjson_val *meta = yyjson_obj_get(obj, "metadata"), *spec = yyjson_obj_get(obj, "spec");
	sp_str by = sp_json_str(yyjson_obj_get(yyjson_obj_get(spec, "distinguisherMethod"), "type"));
	sp_str level =
		sp_json_str(yyjson_obj_get(yyjson_obj_get(spec, "priorityLevelConfiguration"), "name"));
	level_text *l = level_of(r, level);
	(void)rest;
	(void)revision;
	if (l == NULL)
		return true;
	if (r->n_schemas + 2 >= SCHEMAS_MAX)
		return false;
	api_flow_schema *s = &r->schemas[r->n_schemas++];
	*s = (api_flow_schema){.name = text(r, meta, "name"),
			       .uid = text(r, meta, "uid"),
			       .level_uid = l->uid,
			       .precedence = number(spec, "matchingPrecedence", 1000),
			       .level_name = l->name};
	s->by = sp_str_eq(by, SP_STR("ByUser"))        ? API_FLOW_BY_USER
		: sp_str_eq(by, SP_STR("ByNamespace")) ? API_FLOW_BY_NAMESPACE
						       : API_FLOW_ALL;
	return read_rules(r, yyjson_obj_get(spec, "rules"), s);
}

/* ---- what is there whatever the store says ---- */

static void add_mandatory_levels(reading *r)
{
	if (level_of(r, SP_STR("exempt")) == NULL)
		r->levels[r->n_levels++] =
			(level_text){.name = SP_STR("exempt"), .uid = SP_STR(""), .spec = {.exempt = true}};
	if (level_of(r, SP_STR("catch-all")) == NULL)
		r->levels[r->n_levels++] =
			(level_text){.name = SP_STR("catch-all"), .uid = SP_STR(""), .shares = 5};
}

static bool has_schema(const reading *r, sp_str name)
{
	for (size_t i = 0; i < r->n_schemas; i++) {
		if (sp_str_eq(r->schemas[i].name, name))
			return true;
	}
	return false;
}

static void add_mandatory_schemas(reading *r)
{
	static sp_str star[] = {SP_STR_INIT("*")};
	static api_flow_subject masters = {API_FLOW_GROUP, {NULL, 0}, SP_STR_INIT("system:masters")};
	static api_flow_resource_rule everything = {
		{star, 1}, {star, 1}, {star, 1}, {star, 1}, .cluster_scope = true};
	static api_rule paths = {.verbs = {star, 1}, .urls = {star, 1}};
	static api_flow_rule rule = {&masters, 1, &everything, 1, {&paths, 1}};
	if (!has_schema(r, SP_STR("exempt")))
		r->schemas[r->n_schemas++] = (api_flow_schema){.name = SP_STR("exempt"),
							       .uid = SP_STR(""),
							       .level_uid = SP_STR(""),
							       .level_name = SP_STR("exempt"),
							       .precedence = 1,
							       .rules = &rule,
							       .n_rules = 1};
	if (!has_schema(r, SP_STR("catch-all")))
		r->schemas[r->n_schemas++] = (api_flow_schema){.name = SP_STR("catch-all"),
							       .uid = SP_STR(""),
							       .level_uid = SP_STR(""),
							       .level_name = SP_STR("catch-all"),
							       .precedence = INT32_MAX,
							       .by = API_FLOW_BY_USER};
}

static int by_precedence(const void *a, const void *b)
{
	const api_flow_schema *x = a, *y = b;
	if (x->precedence != y->precedence)
		return x->precedence < y->precedence ? -1 : 1;
	return sp_str_cmp(x->name, y->name);
}

/* ---- taking over ---- */

static api_level *find_level(const api_flow_config *c, sp_str name)
{
	for (size_t i = 0; i < c->n_levels; i++) {
		if (sp_str_eq(api_level_name(c->levels[i]), name))
			return c->levels[i];
	}
	return NULL;
}

/* Every level that is wanted, the new ones made. False: no room, and the new ones are gone again. */
static bool make_levels(api_flow_config *c, reading *r, api_level **all)
{
	for (size_t i = 0; i < r->n_levels; i++) {
		level_text *t = &r->levels[i];
		t->level = find_level(c, t->name);
		if (t->level == NULL)
			t->level = api_level_new(c->world, t->name);
		if (t->level == NULL) {
			for (size_t k = 0; k < i; k++) {
				if (find_level(c, r->levels[k].name) == NULL)
					api_level_retire(r->levels[k].level);
			}
			return false;
		}
		all[i] = t->level;
	}
	return true;
}

static void retire_others(api_flow_config *c, reading *r)
{
	for (size_t i = 0; i < c->n_levels; i++) {
		if (level_of(r, api_level_name(c->levels[i])) == NULL)
			api_level_retire(c->levels[i]);
	}
}

/* U: nominalCL = ceil(serverCL * shares / sum of the shares). */
static sp_code share_seats(api_flow_config *c, reading *r, sp_err *err)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < r->n_levels; i++)
		sum += (uint64_t)r->levels[i].shares;
	for (size_t i = 0; i < r->n_levels; i++) {
		level_text *t = &r->levels[i];
		t->spec.seats =
			sum == 0 ? 0 : (uint32_t)(((uint64_t)c->seats * (uint64_t)t->shares + sum - 1) / sum);
		SP_TRY(api_level_configure(t->level, &t->spec, err));
	}
	return SP_OK;
}

static sp_code take_over(api_flow_config *c, reading *r, sp_err *err)
{
	api_level **all = sp_try_alloc((r->n_levels + 1) * sizeof(api_level *));
	if (all == NULL || !make_levels(c, r, all)) {
		sp_free(all);
		return sp_fail(err, SP_ENOMEM, "no room for priority levels");
	}
	retire_others(c, r);
	sp_free(c->levels);
	c->levels = all;
	c->n_levels = r->n_levels;
	for (size_t i = 0; i < r->n_schemas; i++)
		r->schemas[i].level = level_of(r, r->schemas[i].level_name)->level;
	if (r->n_schemas > 1)
		qsort(r->schemas, r->n_schemas, sizeof *r->schemas, by_precedence);
	sp_arena_done(&c->arena);
	c->arena = r->arena;
	c->schemas = r->schemas;
	c->n_schemas = r->n_schemas;
	sp_arena_init(&r->arena, 0);
	return share_seats(c, r, err);
}

static sp_code read_all(api_flow_config *c, reading *r, sp_err *err)
{
	r->levels = sp_try_new(&r->arena, level_text, LEVELS_MAX);
	r->schemas = sp_try_new(&r->arena, api_flow_schema, SCHEMAS_MAX);
	if (r->levels == NULL || r->schemas == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for flow schemas");
	SP_TRY(api_kept_each(&c->levels_kept, read_level, r, err));
	add_mandatory_levels(r);
	SP_TRY(api_kept_each(&c->schemas_kept, read_schema, r, err));
	add_mandatory_schemas(r);
	return SP_OK;
}

sp_code api_flow_config_follow(api_flow_config *c, sp_err *err)
{
	bool levels = false, schemas = false;
	SP_TRY(api_kept_follow(&c->levels_kept, &levels, err));
	c->dirty = c->dirty || levels;
	SP_TRY(api_kept_follow(&c->schemas_kept, &schemas, err));
	c->dirty = c->dirty || schemas;
	if (!c->dirty)
		return SP_OK;
	reading r = {.n_levels = 0};
	sp_arena_init(&r.arena, CONFIG_BYTES_MAX);
	sp_code code = read_all(c, &r, err);
	if (code == SP_OK)
		code = take_over(c, &r, err);
	sp_arena_done(&r.arena);
	c->dirty = code != SP_OK;
	return code;
}

void api_flow_config_init(api_flow_config *c, sp_world *w, sp_store *store, uint32_t seats)
{
	*c = (api_flow_config){
		.world = w,
		.seats = seats,
		.dirty = true,
		.levels_kept = {.store = store, .prefix = SP_STR("/registry/prioritylevelconfigurations/")},
		.schemas_kept = {.store = store, .prefix = SP_STR("/registry/flowschemas/")}};
	sp_arena_init(&c->arena, CONFIG_BYTES_MAX);
}

void api_flow_config_done(api_flow_config *c)
{
	api_kept_done(&c->levels_kept);
	api_kept_done(&c->schemas_kept);
	for (size_t i = 0; i < c->n_levels; i++)
		api_level_retire(c->levels[i]);
	sp_free(c->levels);
	sp_arena_done(&c->arena);
}
