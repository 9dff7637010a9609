/* SPDX-License-Identifier: Apache-2.0 */
/* A watch's bytes in two pieces into a cache: it ends in an error or in a cache that agrees with itself. */
#include "client/informer_int.h"
#include "client/reflector_int.h"
#include "lib/mini_world.h"

static void keys(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *k)
{
	(void)arg;
	(void)object;
	sp_index_emit(k, o->ns);
	sp_index_emit(k, o->name);
}

static void feed(sp_informer *i, const uint8_t *data, size_t size)
{
	sp_reflector *r = i->reflector;
	sp_err err = {0};
	size_t cut = size == 0 ? 0 : data[0] % size;
	r->phase = REFLECTOR_STREAM;
	informer_sink.begin(i);
	if (reflector_read(r, data, cut, &err) == SP_OK)
		(void)reflector_read(r, data + cut, size - cut, &err);
	SP_ASSERT(r->revision_len <= REVISION_BYTES);
}

static void check(const sp_informer *i)
{
	const sp_object *o;
	size_t n = 0;
	for (size_t at = 0; (o = sp_informer_next(i, &at)) != NULL; n++) {
		SP_ASSERT(sp_informer_get(i, o->key) == o);
		SP_ASSERT(o->ns.len == 0 || sp_informer_find_count(i, 0, o->ns) > 0);
		SP_ASSERT(sp_informer_find_count(i, 0, o->name) > 0);
	}
	SP_ASSERT(n == sp_informer_count(i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const sp_client_config config = {.scheme = SP_STR_INIT("http"), .address = SP_STR_INIT("h:1")};
	mini_world w;
	sp_client *client;
	sp_informers *set;
	sp_informer *i;
	unsigned index;
	mini_world_init(&w, 1, 1024);
	SP_ASSERT(sp_client_new(&w.base, &(sp_client_opts){.config = &config}, &client, NULL) == SP_OK);
	SP_ASSERT(sp_informers_new(client, NULL, &set, NULL) == SP_OK);
	SP_ASSERT(sp_informers_get(set, &(sp_informer_opts){.gvr = SP_PODS}, &i, NULL) == SP_OK);
	SP_ASSERT(sp_informer_keep_path(i, SP_STR("spec.x")) == SP_OK);
	SP_ASSERT(sp_informer_index(i, keys, NULL, &index, NULL) == SP_OK);
	feed(i, data, size);
	check(i);
	sp_informers_free(set);
	sp_client_free(client);
	mini_world_done(&w);
	return 0;
}
