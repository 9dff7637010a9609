/* SPDX-License-Identifier: Apache-2.0 */
/* What the server fills into metadata. Validation is in meta_validate.c. */
#include "kube/meta.h"

#include "base/map.h"
#include "base/uuid.h"

sp_str sp_meta_annotation(yyjson_mut_val *obj, const char *key)
{
	return sp_kv_str(sp_kv_get(sp_meta(obj), "annotations"), key);
}

sp_str sp_meta_label(yyjson_mut_val *obj, const char *key)
{
	return sp_kv_str(sp_kv_get(sp_meta(obj), "labels"), key);
}

sp_str sp_meta_uuid(sp_kind_ctx *c)
{
	uint8_t raw[SP_UUID_BYTES] = {0};
	char text[SP_UUID_TEXT_BYTES];
	c->random(c->random_arg, raw, sizeof raw);
	sp_uuid_print(text, raw);
	sp_str uuid = sp_arena_try_dup(c->arena, (sp_str){text, sizeof text});
	SP_KIND_NEED(c, uuid.ptr != NULL);
	return uuid;
}

#define GENERATED_BASE_MAX 58u
#define GENERATED_LETTERS 5u

void sp_meta_generate_name(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	/* No vowels and no digits that look like letters: no words, no confusion. */
	static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
	yyjson_mut_val *meta = sp_meta(obj);
	sp_str base = sp_str_sub(sp_kv_str(meta, "generateName"), 0, GENERATED_BASE_MAX);
	char name[GENERATED_BASE_MAX + GENERATED_LETTERS];
	uint64_t dice = 0;
	if (base.len == 0)
		return;
	memcpy(name, base.ptr, base.len);
	c->random(c->random_arg, &dice, sizeof dice);
	for (size_t i = 0; i < GENERATED_LETTERS; i++) {
		name[base.len + i] = alphabet[dice % (sizeof alphabet - 1)];
		dice /= sizeof alphabet - 1;
	}
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, meta, "name", (sp_str){name, base.len + GENERATED_LETTERS}));
}

void sp_meta_wipe_deletion(yyjson_mut_val *obj)
{
	sp_kv_drop(sp_meta(obj), "deletionTimestamp");
	sp_kv_drop(sp_meta(obj), "deletionGracePeriodSeconds");
}

void sp_meta_fill_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *meta = sp_kv_need_obj(c->doc, obj, "metadata");
	char when[SP_TIME_TEXT_BYTES];
	if (meta == NULL) {
		c->code = SP_ETOOLARGE;
		return;
	}
	sp_kv_drop(meta, "selfLink");
	size_t n = sp_time_print(when, c->now, 0);
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, meta, "uid", sp_meta_uuid(c)));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, meta, "creationTimestamp", (sp_str){when, n}));
	if (sp_kv_str(meta, "name").len == 0)
		sp_meta_generate_name(c, obj);
}

bool sp_meta_set_namespace(sp_kind_ctx *c, yyjson_mut_val *obj, sp_str request_namespace)
{
	yyjson_mut_val *meta = sp_kv_need_obj(c->doc, obj, "metadata");
	SP_KIND_NEED(c, meta != NULL);
	sp_str own = sp_kv_str(meta, "namespace");
	if (sp_str_eq(own, request_namespace))
		return true;
	if (request_namespace.len == 0)
		sp_kv_drop(meta, "namespace");
	else if (own.len == 0)
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, meta, "namespace", request_namespace));
	else
		return false;
	return true;
}

/* Members of a decoded reference stand in one order: equal ones have equal texts. NULL: no room. */
static sp_str owner_text(sp_kind_ctx *c, yyjson_mut_val *owner)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	return sp_json_write_mut(&text, owner) == SP_OK ? sp_arena_try_dup(c->arena, sp_buf_view(&text))
							: (sp_str){NULL, 0};
}

sp_str sp_meta_dedup_owners(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *owners = sp_kv_list(sp_meta(obj), "ownerReferences");
	sp_map seen;
	SP_AUTO_BUF dropped;
	sp_map_init(&seen);
	sp_buf_init(&dropped, c->arena->limit_bytes);
	size_t n = owners != NULL ? yyjson_mut_arr_size(owners) : 0;
	yyjson_mut_val *next = yyjson_mut_arr_get_first(owners);
	if (owners != NULL)
		(void)yyjson_mut_arr_clear(owners); /* the items stay linked; those to keep are put back */
	for (size_t i = 0; i < n; i++) {
		yyjson_mut_val *owner = next;
		next = owner->next;
		sp_str uid = sp_kv_str(owner, "uid"), text = owner_text(c, owner);
		void *earlier = NULL;
		SP_KIND_NEED(c, text.ptr != NULL && sp_map_put(&seen, text, owner, &earlier) == SP_OK);
		if (earlier == NULL) {
			(void)yyjson_mut_arr_append(owners, owner);
			continue;
		}
		(void)sp_buf_str(&dropped, dropped.len > 0 ? SP_STR(", ") : SP_STR(""));
		(void)sp_buf_str(&dropped, uid);
	}
	sp_map_done(&seen);
	sp_str text = sp_arena_try_dup(c->arena, sp_buf_view(&dropped));
	SP_KIND_NEED(c, sp_buf_code(&dropped) == SP_OK && (dropped.len == 0 || text.ptr != NULL));
	return text;
}

void sp_meta_take_over(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *was = sp_meta(old);
	yyjson_mut_val *meta = sp_kv_need_obj(c->doc, obj, "metadata");
	SP_KIND_NEED(c, meta != NULL);
	if (sp_kv_str(meta, "uid").len == 0)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, meta, was, "uid"));
	if (sp_kv_has(was, "creationTimestamp"))
		SP_KIND_NEED(c, sp_kv_copy(c->doc, meta, was, "creationTimestamp"));
	if (sp_kv_has(was, "deletionTimestamp"))
		SP_KIND_NEED(c, sp_kv_copy(c->doc, meta, was, "deletionTimestamp"));
	if (sp_kv_has(was, "deletionGracePeriodSeconds") && !sp_kv_has(meta, "deletionGracePeriodSeconds"))
		SP_KIND_NEED(c, sp_kv_copy(c->doc, meta, was, "deletionGracePeriodSeconds"));
}

void sp_meta_bump_generation(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	int64_t was = sp_kv_i64(sp_meta(old), "generation", 0);
	SP_KIND_NEED(c, sp_kv_set_i64(c->doc, sp_meta(obj), "generation", was < INT64_MAX ? was + 1 : was));
}
