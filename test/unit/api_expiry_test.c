/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/expiry.h"
#include "lib/store_help.h"
#include "lib/t.h"

static t_store store;

/* Two objects are left: the one that is new and the one that was written again. */
static bool two_left(void *arg)
{
	uint64_t n = 0;
	(void)arg;
	return sp_store_count(store.store, SP_STR("/registry/pods/"), SP_STR(""), &n, NULL) != SP_OK ||
	       n <= 2;
}

SP_TEST(api_expiry, what_is_old_leaves)
{
	sp_store_value v;
	t_no_faults();
	if (!t_store_open(&store, T_STORE_MEM, NULL))
		return;
	T_OK(t_put(&store, "a/old", 0, "{\"metadata\":{\"creationTimestamp\":\"2020-01-01T00:00:00Z\"}}",
		   NULL));
	T_OK(t_put(&store, "a/odd", 0, "not json", NULL));
	T_OK(t_put(&store, "a/seen", 0,
		   "{\"metadata\":{\"creationTimestamp\":\"2020-01-01T00:00:00Z\"},"
		   "\"lastTimestamp\":\"2200-01-01T00:00:00Z\"}",
		   NULL));
	T_OK(t_put(&store, "b/again", 0,
		   "{\"metadata\":{\"creationTimestamp\":\"2020-01-01T00:00:00Z\"},"
		   "\"series\":{\"lastObservedTime\":\"2200-01-01T00:00:00.000000Z\"}}",
		   NULL));
	api_expiry *x =
		api_expiry_new(store.world, store.store, SP_STR("/registry/pods/"), UINT64_C(3600000000000));
	T_DEFER(api_expiry_free, x);
	t_run_until(&store, two_left, NULL);
	T_CODE(sp_store_get(store.store, t_key("a/old"), 0, &v, T_ERR), SP_ENOTFOUND);
	T_CODE(sp_store_get(store.store, t_key("a/odd"), 0, &v, T_ERR), SP_ENOTFOUND);
	t_turn(&store);
	api_expiry_stop(x);
	t_store_close(&store);
}
