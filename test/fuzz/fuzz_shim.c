/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim reads, by the first byte: standard input of start, config.json, log.json, stdio URIs, frames
 * of the attach socket, container output as log lines, mount options, cgroup files' names, requests of the
 * task service.
 */
#include "base/alloc.h"
#include "shim/args.h"
#include "shim/cgroup.h"
#include "shim/config.h"
#include "shim/crilog.h"
#include "shim/hub.h"
#include "shim/rootfs.h"
#include "shim/task.h"
#include "shim/uri.h"

#define ARENA_BYTES ((size_t)4 << 20)

static void standard_input(sp_str in, sp_arena *a)
{
	shim_boot boot;
	if (shim_boot_parse(in, a, &boot, NULL) == SP_OK)
		SP_ASSERT(sp_str_is_utf8(boot.options.shim_cgroup));
}

static void config(sp_str in, sp_arena *a)
{
	shim_config c;
	(void)!shim_config_parse(in, a, &c, NULL);
}

static void log_error(sp_str in, sp_arena *a)
{
	(void)shim_log_error(in, a);
}

static void uri(sp_str in, sp_arena *a)
{
	shim_uri u;
	if (shim_uri_parse(in, a, &u, NULL) == SP_OK)
		SP_ASSERT(u.kind == SHIM_URI_NONE || u.path[0] == '/');
}

/* However they are cut, the same bytes come out. */
static void frames(sp_str in, sp_arena *a)
{
	(void)a;
	for (size_t step = 1; step <= 64; step *= 8) {
		shim_frame_reader r = {.n_head = 0};
		size_t sum = 0;
		unsigned stream;
		sp_str bytes;
		for (size_t at = 0; at < in.len; at += step) {
			sp_str part = sp_str_sub(in, at, at + step);
			while (shim_frame_next(&r, &part, &stream, &bytes))
				sum += bytes.len;
			SP_ASSERT(part.len == 0);
		}
		SP_ASSERT(sum <= in.len);
	}
}

/* Every line is whole and short enough, and no byte of text is lost. */
static void lines(sp_str in, sp_arena *a)
{
	(void)a;
	shim_lines whole, cut;
	SP_AUTO_BUF one, two;
	sp_buf_init(&one, (size_t)64 << 20);
	sp_buf_init(&two, (size_t)64 << 20);
	shim_lines_init(&whole, "stdout", 16);
	shim_lines_init(&cut, "stdout", 16);
	shim_lines_put(&whole, in, 0, &one);
	shim_lines_end(&whole, 0, &one);
	for (size_t i = 0; i < in.len; i += 3)
		shim_lines_put(&cut, sp_str_sub(in, i, i + 3), 0, &two);
	shim_lines_end(&cut, 0, &two);
	/* but for "\r\n" at the very limit, where the cut decides whether the line was full already */
	if (sp_str_find(in, SP_STR("\r")) < 0)
		SP_ASSERT(sp_str_eq(sp_buf_view(&one), sp_buf_view(&two)));
	shim_lines_done(&whole);
	shim_lines_done(&cut);
}

static void mounts(sp_str in, sp_arena *a)
{
	shim_mount_msg m;
	shim_mount_flags f;
	sp_str dir, data;
	if (sp_pb_decode(&shim_mount_message, in, a, &m, NULL) == SP_OK)
		(void)!shim_mount_parse(&m, a, &f, NULL);
	(void)!shim_overlay_shorten(in, a, &dir, &data, NULL);
}

static void cgroup_text(sp_str in, sp_arena *a)
{
	(void)a;
	char dir[SHIM_CGROUP_PATH_BYTES];
	const shim_cgroup_fs v1 = {"/cg", false}, v2 = {"/cg", true};
	if (shim_cgroup_dir(&v1, in, "memory", dir))
		SP_ASSERT(sp_str_starts(sp_str_c(dir), SP_STR("/cg/memory/")));
	if (shim_cgroup_dir(&v2, in, "memory", dir))
		SP_ASSERT(sp_str_starts(sp_str_c(dir), SP_STR("/cg/")));
}

/* ---- the service ---- */

static void no_line(void *arg, sp_str line)
{
	(void)arg;
	(void)line;
}

static void no_shutdown(void *arg)
{
	(void)arg;
}

static void requests(sp_str in, sp_arena *a)
{
	(void)a;
	/* Create reads and mounts what it is told; its message is decoded below. */
	if (sp_str_find(in, SP_STR("Create")) >= 0)
		return;
	shim_loop loop;
	shim_reaper reaper = {.n_holds = 0};
	sp_buf out;
	sp_ttrpc_server_core *core;
	if (shim_loop_init(&loop, NULL) != SP_OK)
		return;
	const sp_log_opts log_opts = {.wall_ns = shim_wall_ns, .write = no_line};
	sp_log *log = sp_log_new(&log_opts);
	shim_publisher *publisher = shim_publisher_new(&loop, SP_STR(""), SP_STR("ns"));
	const shim_tasks_opts o = {.loop = &loop,
				   .reaper = &reaper,
				   .publisher = publisher,
				   .log = log,
				   .cgroups = {"/none", false},
				   .ns = SP_STR("ns"),
				   .path = SP_STR(""),
				   .on_shutdown = no_shutdown};
	shim_tasks *tasks = shim_tasks_new(&o);
	sp_buf_init(&out, (size_t)64 << 20);
	if (sp_ttrpc_server_core_new(shim_tasks_services(tasks), SHIM_SERVICES, 0, NULL, NULL, &out, &core,
				     NULL) == SP_OK) {
		(void)!sp_ttrpc_server_core_feed(core, in, 0, NULL);
		sp_ttrpc_server_core_end(core);
		SP_ASSERT(sp_ttrpc_server_core_n_calls(core) == 0);
		sp_ttrpc_server_core_free(core);
	}
	shim_tasks_free(tasks);
	shim_publisher_free(publisher);
	sp_log_free(log);
	sp_buf_done(&out);
	shim_loop_done(&loop);
}

/* What decodes, encodes to something that decodes. */
static void messages(sp_str in, sp_arena *a)
{
	static const sp_pb_message *const all[] = {
		&shim_create_req_message, &shim_exec_req_message,  &shim_kill_req_message,
		&shim_update_req_message, &shim_close_req_message, &shim_resize_req_message,
		&shim_bootstrap_message,  &shim_options_message,
	};
	if (in.len == 0)
		return;
	const sp_pb_message *m = all[(uint8_t)in.ptr[0] % SP_LEN(all)];
	void *one = sp_arena_try_alloc(a, m->size), *two = sp_arena_try_alloc(a, m->size);
	if (one == NULL || two == NULL || sp_pb_decode(m, sp_str_sub(in, 1, in.len), a, one, NULL) != SP_OK)
		return;
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)16 << 20);
	sp_pb_encode(m, one, &out);
	SP_ASSERT(sp_pb_decode(m, sp_buf_view(&out), a, two, NULL) == SP_OK ||
		  sp_arena_used(a) > ARENA_BYTES / 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[])(sp_str in, sp_arena * a) = {
		standard_input, config, log_error,   uri,      frames,
		lines,          mounts, cgroup_text, requests, messages,
	};
	if (size == 0)
		return 0;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES);
	parts[data[0] % SP_LEN(parts)]((sp_str){(const char *)data + 1, size - 1}, &a);
	sp_arena_done(&a);
	return 0;
}
