/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of CRI's messages. Expected bytes were written by hand from api.proto's numbers. */
#include "contracts/cri.h"
#include "contracts/host.h"
#include "lib/t.h"

#define BYTES(lit) ((sp_str){"" lit, sizeof(lit) - 1})

static sp_str encoded(const sp_pb_message *m, const void *from)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 65536);
	sp_pb_encode(m, from, &out);
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(cri_messages, every_method_has_its_messages)
{
	for (size_t i = 0; i < SP_CRI_METHODS_; i++) {
		const sp_cri_method_info *m = &sp_cri_methods[i];
		T_TRUE(m->name.len > 0 && m->request != NULL && m->response != NULL);
		T_TRUE(sp_str_starts(m->service, SP_STR("runtime.v1.")));
		T_EQ_U64(m->server_streams, i == SP_CRI_GET_CONTAINER_EVENTS);
	}
	for (size_t i = 0; i < SP_HOST_METHODS_; i++)
		T_TRUE(sp_host_methods[i].name.len > 0 && sp_host_methods[i].request != NULL);
}

SP_TEST(cri_messages, fields_have_upstreams_numbers)
{
	sp_cri_pod_sandbox_metadata meta = {
		.name = SP_STR("n"), .uid = SP_STR("u"), .namespace = SP_STR("s"), .attempt = 2};
	sp_cri_linux_pod_sandbox_config linux_config = {.cgroup_parent = SP_STR("/p")};
	sp_cri_pod_sandbox_config config = {
		.metadata = &meta, .log_directory = SP_STR("/l"), .linux_ = &linux_config};
	const sp_cri_run_pod_sandbox_request run = {.config = &config, .runtime_handler = SP_STR("h")};
	T_EQ_STR(encoded(&sp_cri_run_pod_sandbox_request_message, &run),
		 BYTES("\x0a\x17"
		       "\x0a\x0b\x0a\x01n\x12\x01u\x1a\x01s\x20\x02"
		       "\x1a\x02/l"
		       "\x42\x04\x0a\x02/p"
		       "\x12\x01h"));
	const sp_cri_stop_container_request stop = {.container_id = SP_STR("c"), .timeout = 30};
	T_EQ_STR(encoded(&sp_cri_stop_container_request_message, &stop), BYTES("\x0a\x01"
									       "c\x10\x1e"));
	sp_cri_image_spec image = {.image = SP_STR("i"), .user_specified_image = SP_STR("w")};
	const sp_cri_pull_image_request pull = {.image = &image};
	T_EQ_STR(encoded(&sp_cri_pull_image_request_message, &pull), BYTES("\x0a\x07\x0a\x01i\x92\x01\x01w"));
	sp_cri_container_status status = {.id = SP_STR("c"), .exit_code = 137, .stop_signal = 1};
	const sp_cri_container_status_response answer = {.status = &status};
	T_EQ_STR(encoded(&sp_cri_container_status_response_message, &answer),
		 BYTES("\x0a\x09\x0a\x01"
		       "c\x38\x89\x01\x98\x01\x01"));
}

SP_TEST(cri_messages, what_is_decoded_is_what_was_encoded)
{
	sp_pb_pair labels[] = {{SP_STR("a"), SP_STR("b")}};
	sp_cri_container_metadata meta = {.name = SP_STR("c"), .attempt = 1};
	sp_cri_mount mounts[] = {
		{.container_path = SP_STR("/c"), .host_path = SP_STR("/h"), .readonly = true}};
	sp_cri_container_config config = {.metadata = &meta, .tty = true, .stop_signal = 23};
	config.labels.at = labels;
	config.labels.n = 1;
	config.mounts.at = mounts;
	config.mounts.n = 1;
	sp_str bytes = encoded(&sp_cri_container_config_message, &config);
	sp_cri_container_config back;
	T_OK(sp_pb_decode(&sp_cri_container_config_message, bytes, T_ARENA, &back, T_ERR));
	T_TRUE(back.metadata != NULL);
	T_EQ_STR(back.metadata->name, SP_STR("c"));
	T_TRUE(back.tty && back.mounts.n == 1 && back.mounts.at[0].readonly && back.stop_signal == 23);
	T_EQ_STR(back.labels.at[0].value, SP_STR("b"));
	T_EQ_STR(encoded(&sp_cri_container_config_message, &back), bytes);
}
