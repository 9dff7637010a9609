/* SPDX-License-Identifier: Apache-2.0 */
#include "node/userns.h"

#include "base/alloc.h"
#include "base/json.h"
#include "io/file.h"
#include "kube/view.h"

#define FILE_BYTES_MAX ((size_t)64 << 10)
#define DIR_BYTES_MAX ((size_t)16 << 20)

typedef struct range_of {
	uint32_t first;
	char uid[]; /* the map's key */
} range_of;

void node_userns_init(node_userns *u)
{
	memset(u->used, 0, sizeof u->used);
	sp_map_init(&u->by_uid);
}

void node_userns_done(node_userns *u)
{
	sp_map_done_values(&u->by_uid);
}

/* ---- ranges: number 0 begins at 65536, for the ids below are the host's ---- */

static uint32_t first_of(size_t range)
{
	return (uint32_t)(range + 1) * NODE_USERNS_IDS;
}

static bool is_used(const node_userns *u, size_t range)
{
	return (u->used[range / 64] >> range % 64 & 1) != 0;
}

static sp_code take(node_userns *u, sp_str uid, size_t range, sp_err *err)
{
	range_of *r = sp_try_alloc(sizeof *r + uid.len);
	if (r == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a user namespace");
	r->first = first_of(range);
	memcpy(r->uid, uid.ptr, uid.len);
	if (sp_map_put(&u->by_uid, (sp_str){r->uid, uid.len}, r, NULL) != SP_OK) {
		sp_free(r);
		return sp_fail(err, SP_ENOMEM, "no memory for a user namespace");
	}
	u->used[range / 64] |= UINT64_C(1) << range % 64;
	return SP_OK;
}

uint32_t node_userns_find(const node_userns *u, sp_str uid)
{
	const range_of *r = sp_map_get(&u->by_uid, uid);
	return r == NULL ? 0 : r->first;
}

sp_code node_userns_get(node_userns *u, sp_str uid, uint32_t *ret_first, sp_err *err)
{
	size_t range = 0;
	uint32_t has = node_userns_find(u, uid);
	if (has == 0) {
		while (range < NODE_USERNS_RANGES && is_used(u, range))
			range++;
		if (range == NODE_USERNS_RANGES)
			return sp_fail(err, SP_ETOOLARGE,
				       "create user namespace: could not find an empty slot to allocate a "
				       "user namespace");
		SP_TRY(take(u, uid, range, err));
		has = first_of(range);
	}
	*ret_first = has;
	return SP_OK;
}

void node_userns_release(node_userns *u, sp_str uid)
{
	range_of *r = sp_map_remove(&u->by_uid, uid);
	if (r == NULL)
		return;
	size_t range = r->first / NODE_USERNS_IDS - 1;
	u->used[range / 64] &= ~(UINT64_C(1) << range % 64);
	sp_free(r);
}

/* ---- files ---- */

sp_str node_userns_file(sp_arena *a, uint32_t first)
{
#define ONE "[{\"hostId\":%u,\"containerId\":0,\"length\":%u}]"
	return sp_arena_printf(a, "{\"uidMappings\":" ONE ",\"gidMappings\":" ONE "}", first, NODE_USERNS_IDS,
			       first, NODE_USERNS_IDS);
#undef ONE
}

static uint64_t number(yyjson_val *mapping, const char *name)
{
	yyjson_val *v = sp_json_last(mapping, sp_str_c(name));
	return yyjson_is_uint(v) ? yyjson_get_uint(v) : 0;
}

static bool same(yyjson_val *a, yyjson_val *b)
{
	return number(a, "hostId") == number(b, "hostId") &&
	       number(a, "containerId") == number(b, "containerId") &&
	       number(a, "length") == number(b, "length");
}

/* U: record. */
static sp_code record(node_userns *u, sp_str uid, uint64_t first, uint64_t length, sp_err *err)
{
	uint32_t has = node_userns_find(u, uid);
	uint64_t range = first / NODE_USERNS_IDS - 1; /* of less than one range: beyond all */
	if (length != NODE_USERNS_IDS)
		return sp_fail(err, SP_EINVAL, "wrong user namespace length %llu",
			       (unsigned long long)length);
	if (first % NODE_USERNS_IDS != 0)
		return sp_fail(err, SP_EINVAL, "wrong user namespace offset specified %llu",
			       (unsigned long long)first);
	if (has != 0 && has != first)
		return sp_fail(err, SP_EINVAL,
			       "different user namespace range already used by pod \"" SP_FMT "\"",
			       SP_ARG(uid));
	if (range >= NODE_USERNS_RANGES)
		return sp_fail(err, SP_EINVAL, "id %llu is out of range", (unsigned long long)first);
	if (has == 0 && is_used(u, range))
		return sp_fail(err, SP_EINVAL, "range picked for pod \"" SP_FMT "\" already taken",
			       SP_ARG(uid));
	return has != 0 ? SP_OK : take(u, uid, range, err);
}

sp_code node_userns_record(node_userns *u, sp_str uid, sp_str file, sp_err *err)
{
	yyjson_val *tree, *uids, *gids;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, FILE_BYTES_MAX * 8);
	sp_err why = {0};
	if (sp_json_parse(&a, file, &tree, &why) != SP_OK)
		return sp_fail(err, SP_EINVAL, "invalid user namespace mappings file: %s", why.msg);
	uids = sp_json_last(tree, SP_STR("uidMappings"));
	gids = sp_json_last(tree, SP_STR("gidMappings"));
	if (yyjson_arr_size(uids) != 1)
		return sp_fail(err, SP_EINVAL,
			       "invalid user namespace configuration: no more than one mapping allowed.");
	if (yyjson_arr_size(gids) != 1)
		return sp_fail(err, SP_EINVAL,
			       "invalid user namespace configuration: GID and UID mappings should be "
			       "identical.");
	yyjson_val *one = yyjson_arr_get_first(uids);
	if (!same(one, yyjson_arr_get_first(gids)))
		return sp_fail(err, SP_EINVAL,
			       "invalid user namespace configuration: GID and UID mapping should be "
			       "identical");
	if (number(one, "containerId") != 0)
		return sp_fail(err, SP_EINVAL, "invalid user namespace configuration: UID 0 must be mapped");
	return record(u, uid, number(one, "hostId"), number(one, "length"), err);
}

static sp_code restore_one(node_userns *u, sp_world *w, sp_str dir, sp_str uid, sp_arena *a, sp_err *err)
{
	sp_str file, path = SP_CONCAT(a, dir, SP_STR("/"), uid, SP_STR("/userns"));
	sp_err why = {0};
	if (path.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for user namespaces");
	sp_code code = sp_file_read_arena(w, path, a, FILE_BYTES_MAX, &file, &why);
	if (code == SP_ENOTFOUND) /* it has none */
		return SP_OK;
	if (code == SP_OK)
		code = node_userns_record(u, uid, file, &why);
	return code == SP_OK ? SP_OK
			     : sp_fail(err, code, "record pod mappings for existing pod \"" SP_FMT "\": %s",
				       SP_ARG(uid), why.msg);
}

sp_code node_userns_restore(node_userns *u, sp_world *w, sp_str root, sp_err *err)
{
	sp_dir_entry *at;
	size_t n;
	sp_err why = {0};
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, DIR_BYTES_MAX);
	sp_str dir = SP_CONCAT(&a, root, SP_STR("/pods"));
	if (dir.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for user namespaces");
	sp_code code = sp_dir_list(w, dir, &a, &at, &n, &why);
	if (code == SP_ENOTFOUND)
		return SP_OK;
	if (code != SP_OK)
		return sp_fail(err, code, "read pods from disk: %s", why.msg);
	for (size_t i = 0; i < n; i++)
		SP_TRY(restore_one(u, w, dir, at[i].name, &a, err));
	return SP_OK;
}
