/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/common.h"

#include "base/num.h"
#include "base/time.h"

#define NS_PER_S INT64_C(1000000000)

/* ---- objects ---- */

static void drop(void *o)
{
	sp_object_unref(o);
}

const sp_object *ctl_hold(sp_arena *a, const sp_object *o)
{
	if (!sp_arena_on_reset(a, drop, (void *)(uintptr_t)o))
		return NULL;
	return sp_object_ref(o);
}

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

bool ctl_controller_of(sp_vlist owners, ctl_owner *ret)
{
	SP_VLIST_FOREACH(v, owners)
	{
		if (!yyjson_is_true(sp_json_last(v, SP_STR("controller"))))
			continue;
		*ret = (ctl_owner){text(v, "apiVersion"), text(v, "kind"), text(v, "name"), text(v, "uid")};
		return true;
	}
	return false;
}

static sp_vlist owners_of(yyjson_val *root)
{
	yyjson_val *list = sp_json_last(sp_json_last(root, SP_STR("metadata")), SP_STR("ownerReferences"));
	return (sp_vlist){yyjson_arr_get_first(list), yyjson_arr_size(list)};
}

bool ctl_controller_of_object(sp_arena *a, const sp_object *o, ctl_owner *ret)
{
	yyjson_val *root;
	return sp_json_parse(a, o->json, &root, NULL) == SP_OK && ctl_controller_of(owners_of(root), ret);
}

void ctl_index_orphans(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	ctl_owner owner;
	(void)arg;
	if (!ctl_controller_of(owners_of(object), &owner))
		sp_index_emit(keys, o->ns);
}

sp_code ctl_selector(sp_arena *a, yyjson_val *v, bool map, sp_selector *ret, sp_err *err)
{
	sp_str why = {NULL, 0};
	if (map) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, (size_t)1 << 20);
		(void)sp_buf_str(&out, SP_STR("{\"matchLabels\":"));
		(void)sp_json_write(&out, v);
		(void)sp_buf_char(&out, '}');
		if (sp_buf_code(&out) != SP_OK)
			return sp_fail(err, sp_buf_code(&out), "no room for a selector");
		SP_TRY(sp_json_parse(a, sp_buf_view(&out), &v, err));
	}
	sp_code code = sp_labels_of_object(a, v, ret, &why);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "invalid selector: " SP_FMT, SP_ARG(why));
}

void ctl_copy_member(sp_jout *j, yyjson_val *from, const char *name)
{
	yyjson_val *v = sp_json_last(from, sp_str_c(name));
	if (v == NULL)
		return;
	sp_jout_key(j, sp_str_c(name));
	(void)sp_json_write(j->out, v); /* sticky in the buffer */
	j->comma = true;
}

/* ---- times ---- */

int64_t ctl_now_s(sp_world *w)
{
	return sp_wall_ns(w) / NS_PER_S;
}

sp_str ctl_now(sp_world *w, sp_arena *a)
{
	char out[SP_TIME_TEXT_BYTES];
	size_t n = sp_time_print(out, (sp_time){.seconds = ctl_now_s(w)}, 0);
	sp_str s = sp_arena_try_dup(a, (sp_str){out, n});
	return s.ptr != NULL ? s : SP_STR("1970-01-01T00:00:00Z");
}

int64_t ctl_seconds(sp_str s)
{
	sp_time t;
	return s.len > 0 && sp_time_parse(s, &t, NULL) == SP_OK ? t.seconds : 0;
}

/* ---- conditions ---- */

void ctl_conditions_read(sp_vlist list, ctl_conditions *ret)
{
	*ret = (ctl_conditions){.n = 0};
	SP_VLIST_FOREACH(v, list)
	{
		if (ret->n == CTL_CONDITIONS_MAX)
			return;
		ret->items[ret->n++] = (ctl_condition){.type = text(v, "type"),
						       .status = text(v, "status"),
						       .reason = text(v, "reason"),
						       .message = text(v, "message"),
						       .transition = text(v, "lastTransitionTime"),
						       .update = text(v, "lastUpdateTime"),
						       .probe = text(v, "lastProbeTime"),
						       .observed_generation = yyjson_get_sint(sp_json_last(
							       v, SP_STR("observedGeneration")))};
	}
}

ctl_condition *ctl_condition_find(ctl_conditions *c, const char *type)
{
	for (size_t i = 0; i < c->n; i++) {
		if (sp_str_eq(c->items[i].type, sp_str_c(type)))
			return &c->items[i];
	}
	return NULL;
}

static void remove_at(ctl_conditions *c, size_t i)
{
	for (; i + 1 < c->n; i++)
		c->items[i] = c->items[i + 1];
	c->n--;
	c->changed = true;
}

void ctl_condition_remove(ctl_conditions *c, const char *type)
{
	const ctl_condition *old = ctl_condition_find(c, type);
	if (old != NULL)
		remove_at(c, (size_t)(old - c->items));
}

void ctl_condition_set(ctl_conditions *c, const ctl_condition *now, bool strict)
{
	ctl_condition next = *now;
	for (size_t i = 0; i < c->n; i++) {
		const ctl_condition *old = &c->items[i];
		if (!sp_str_eq(old->type, now->type))
			continue;
		bool same = sp_str_eq(old->status, now->status) && sp_str_eq(old->reason, now->reason);
		if (same && (!strict || sp_str_eq(old->message, now->message)))
			return;
		if (sp_str_eq(old->status, now->status))
			next.transition = old->transition;
		remove_at(c, i); /* a changed one stands last, as upstream's do */
		break;
	}
	if (c->n == CTL_CONDITIONS_MAX)
		return;
	c->items[c->n++] = next;
	c->changed = true;
}

static void member_if(sp_jout *j, const char *name, sp_str value)
{
	if (value.len > 0)
		sp_jout_member_str(j, sp_str_c(name), value);
}

void ctl_conditions_write(sp_jout *j, const ctl_conditions *c)
{
	sp_jout_member_open(j, SP_STR("conditions"), '[');
	for (size_t i = 0; i < c->n; i++) {
		const ctl_condition *v = &c->items[i];
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("type"), v->type);
		sp_jout_member_str(j, SP_STR("status"), v->status);
		if (v->observed_generation != 0)
			sp_jout_member_i64(j, SP_STR("observedGeneration"), v->observed_generation);
		member_if(j, "lastProbeTime", v->probe);
		member_if(j, "lastUpdateTime", v->update);
		member_if(j, "lastTransitionTime", v->transition);
		member_if(j, "reason", v->reason);
		member_if(j, "message", v->message);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

/* ---- writes ---- */

void ctl_status_open(sp_jout *j, const sp_object *base)
{
	char text_[SP_NUM_TEXT_BYTES];
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("uid"), base->uid);
	sp_jout_member_str(j, SP_STR("resourceVersion"),
			   (sp_str){text_, sp_print_u64(text_, base->revision)});
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("status"), '{');
}

sp_event_ref ctl_event_ref(const sp_object *o, const char *api_version, const char *kind)
{
	return (sp_event_ref){.api_version = sp_str_c(api_version),
			      .kind = sp_str_c(kind),
			      .ns = o->ns,
			      .name = o->name,
			      .uid = o->uid};
}

bool ctl_namespace_goes(const sp_answer *answer)
{
	return answer->code == SP_EFORBIDDEN &&
	       sp_str_find(answer->body, SP_STR("NamespaceTerminating")) >= 0;
}

bool ctl_is_same_json(sp_arena *a, yyjson_val *have, sp_str want)
{
	yyjson_val *v;
	if (sp_json_parse(a, want, &v, NULL) != SP_OK)
		return false;
	return have == NULL ? yyjson_get_len(v) == 0 : yyjson_equals(have, v);
}

sp_str ctl_name_of_answer(sp_arena *a, const sp_answer *answer)
{
	const sp_object *o;
	if (sp_object_parse(a, answer->body, NULL, &o, NULL) != SP_OK)
		return SP_STR("");
	sp_str name = sp_arena_try_dup(a, o->name);
	sp_object_unref(o);
	return name;
}

int64_t ctl_int_or_percent(yyjson_val *v, int64_t total, bool up)
{
	int64_t n;
	if (yyjson_is_int(v))
		return yyjson_get_sint(v);
	sp_str s = sp_json_str(v);
	if (!sp_str_ends(s, SP_STR("%")) ||
	    sp_parse_i64(sp_str_sub(s, 0, s.len - 1), 0, INT32_MAX, &n, NULL) != SP_OK)
		return 0;
	return (n * total + (up ? 99 : 0)) / 100;
}

size_t ctl_hash_text(char out[CTL_HASH_BYTES], uint32_t hash)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	char digits[SP_NUM_TEXT_BYTES];
	size_t n = sp_print_u64(digits, hash);
	for (size_t i = 0; i < n; i++)
		out[i] = letters[(unsigned char)digits[i] % (sizeof letters - 1)];
	return n;
}
