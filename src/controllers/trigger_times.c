/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/trigger_times.h"

#include <string.h>

#include "base/alloc.h"

#define TIME_BYTES 32u /* "2026-01-01T00:00:00Z" */

typedef struct known_pod {
	char name[254], time[TIME_BYTES];
} known_pod;

/* As of the last look; pods sorted by name. */
typedef struct known {
	size_t n, key_len;
	known_pod *pods;
	char key[];
} known;

static void known_free(known *k)
{
	if (k != NULL)
		sp_free(k->pods);
	sp_free(k);
}

void trigger_times_done(trigger_times *t)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&t->services, &i)) != NULL;)
		known_free(e->value);
	sp_map_done(&t->services);
}

void trigger_times_forget(trigger_times *t, sp_str key)
{
	known_free(sp_map_remove(&t->services, key));
}

/* Times of one form: as text they sort as times. Longer ones are none of the server's. */
static void keep(char *to, size_t room, sp_str text)
{
	size_t n = SP_MIN(text.len, room - 1);
	if (n > 0)
		memcpy(to, text.ptr, n);
	to[n] = '\0';
}

/* What was known of pods that are still there stays in place of their absence: a walk through two sorted
 * lists. */
static sp_str time_before(const known *k, size_t *at, sp_str name)
{
	while (k != NULL && *at < k->n && sp_str_cmp(sp_str_c(k->pods[*at].name), name) < 0)
		++*at;
	bool found = k != NULL && *at < k->n && sp_str_eq(sp_str_c(k->pods[*at].name), name);
	return found ? sp_str_c(k->pods[*at].time) : SP_STR("");
}

static known *known_new(sp_str key, const svc_pod *pods, size_t n)
{
	known *k = sp_try_alloc(sizeof *k + key.len);
	if (k == NULL)
		return NULL;
	*k = (known){.n = n, .key_len = key.len, .pods = sp_try_alloc((n + 1) * sizeof(known_pod))};
	memcpy(k->key, key.ptr, key.len);
	if (k->pods == NULL) {
		known_free(k);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		keep(k->pods[i].name, sizeof k->pods[i].name, pods[i].object->name);
		keep(k->pods[i].time, TIME_BYTES, svc_ready_since(&pods[i]));
	}
	return k;
}

sp_code trigger_times_look(trigger_times *t, sp_str key, sp_str created, const svc_pod *pods, size_t n,
			   sp_str *ret, sp_err *err)
{
	void *old = sp_map_get(&t->services, key);
	known *now = known_new(key, pods, n);
	sp_str first = SP_STR("");
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		sp_str time = svc_ready_since(&pods[i]), before = time_before(old, &at, pods[i].object->name);
		if (time.len > 0 && sp_str_cmp(time, before) > 0 &&
		    (first.len == 0 || sp_str_cmp(time, first) < 0))
			first = time;
	}
	if (now == NULL || sp_map_put(&t->services, (sp_str){now->key, now->key_len}, now, &old) != SP_OK) {
		known_free(now);
		return sp_fail(err, SP_ENOMEM, "no memory for times of pods");
	}
	*ret = old == NULL ? created : first;
	known_free(old);
	return SP_OK;
}

void trigger_time_write(sp_jout *j, sp_vmap have, const char *without, sp_str time)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(have.object);
	yyjson_val *k;
	while ((k = yyjson_obj_iter_next(&it)) != NULL) {
		sp_str name = sp_json_str(k);
		if (!sp_str_eq(name, SP_STR(TRIGGER_TIME)) && !sp_str_eq(name, sp_str_c(without)))
			sp_jout_member_str(j, name, sp_json_str(yyjson_obj_iter_get_val(k)));
	}
	if (time.len > 0)
		sp_jout_member_str(j, SP_STR(TRIGGER_TIME), time);
}
