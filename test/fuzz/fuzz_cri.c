/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests at the CRI socket and messages at the host process (the first byte picks the message): what
 * decodes encodes to bytes that decode to the same again. What a container's configuration says becomes a
 * config.json that is JSON, or is refused.
 */
#include "contracts/cri.h"
#include "contracts/host.h"
#include "runtime/record.h"
#include "runtime/spec.h"

#define BYTES_MAX ((size_t)8 << 20)

static void spec(const sp_cri_create_container_request *q, sp_arena *a)
{
	sp_cri_pod_sandbox_metadata pod = {.name = SP_STR("p")};
	const sp_cri_pod_sandbox_config sandbox = {.metadata = &pod};
	const image_config image = {.user = SP_STR("")};
	const sp_cri_container_config *c = q->config;
	if (c == NULL || c->metadata == NULL || c->mounts.n > 1024)
		return;
	rt_mount *mounts = sp_new(a, rt_mount, c->mounts.n + 1);
	for (size_t i = 0; i < c->mounts.n; i++)
		mounts[i] = (rt_mount){.cri = &c->mounts.at[i], .source = c->mounts.at[i].host_path};
	const sp_cri_linux_container_security_context *sc =
		c->linux_ == NULL ? NULL : c->linux_->security_context;
	const sp_host_users users = {.passwd = c->working_dir, .group = c->log_path};
	sp_strs volumes;
	sp_str *paths = sp_new(a, sp_str, c->args.n + 1);
	for (size_t i = 0; i < c->args.n; i++)
		paths[i] = c->args.at[i];
	const image_config named = {.volumes = {paths, c->args.n}};
	if (rt_spec_volumes(&named, c, a, &volumes, NULL) == SP_OK) {
		for (size_t i = 0; i < volumes.n; i++)
			SP_ASSERT(volumes.items[i].ptr[0] == '/' && volumes.items[i].len > 1);
	}
	rt_spec s = {.id = SP_STR("c"),
		     .sandbox_id = SP_STR("s"),
		     .config = c,
		     .sandbox = &sandbox,
		     .image = &image,
		     .mounts = mounts,
		     .n_mounts = c->mounts.n,
		     .caps = UINT64_MAX};
	uint32_t signal;
	(void)!rt_stop_signal(c->stop_signal, c->log_path, &signal, NULL);
	if (rt_spec_user(sc, c->working_dir, &users, a, &s.user, NULL) != SP_OK)
		return;
	SP_AUTO_BUF out;
	yyjson_val *v;
	sp_buf_init(&out, BYTES_MAX);
	if (rt_spec_write(&s, a, &out, NULL) == SP_OK)
		SP_ASSERT(sp_json_parse(a, sp_buf_view(&out), &v, NULL) == SP_OK);
}

static const sp_pb_message *message_of(uint8_t pick)
{
	if (pick < SP_CRI_METHODS_)
		return sp_cri_methods[pick].request;
	if (pick - SP_CRI_METHODS_ < SP_HOST_METHODS_)
		return sp_host_methods[pick - SP_CRI_METHODS_].request;
	return pick % 2 == 0 ? &rt_sandbox_record_message : &rt_container_record_message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const sp_pb_message *m = message_of(data[0]);
	sp_arena a;
	sp_arena_init(&a, BYTES_MAX);
	void *first = sp_arena_alloc(&a, m->size), *second = sp_arena_alloc(&a, m->size);
	SP_AUTO_BUF one, two;
	sp_buf_init(&one, BYTES_MAX);
	sp_buf_init(&two, BYTES_MAX);
	if (sp_pb_decode(m, (sp_str){(const char *)data + 1, size - 1}, &a, first, NULL) == SP_OK) {
		sp_pb_encode(m, first, &one);
		SP_ASSERT(sp_buf_code(&one) == SP_OK);
		SP_ASSERT(sp_pb_decode(m, sp_buf_view(&one), &a, second, NULL) == SP_OK);
		sp_pb_encode(m, second, &two);
		SP_ASSERT(sp_str_eq(sp_buf_view(&one), sp_buf_view(&two)));
		if (data[0] == SP_CRI_CREATE_CONTAINER)
			spec(first, &a);
	}
	sp_arena_done(&a);
	return 0;
}
