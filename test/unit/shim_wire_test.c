/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in from outside: command line, standard input, config.json, log.json, URIs, frames. */
#include "lib/t.h"
#include "shim/args.h"
#include "shim/config.h"
#include "shim/hub.h"
#include "shim/uri.h"

SP_TEST(shim_args, as_containerd_writes_them)
{
	const char *argv[] = {"shim",
			      "-namespace",
			      "k8s.io",
			      "--id=a",
			      "-address",
			      "/run/c.sock",
			      "-publish-binary",
			      "/usr/bin/containerd",
			      "-debug",
			      "-bundle",
			      "/b",
			      "start",
			      "-v"};
	shim_args a;
	T_OK(shim_args_parse((int)SP_LEN(argv), argv, &a, T_ERR));
	T_EQ_C(sp_str_c(a.ns), "k8s.io");
	T_EQ_C(sp_str_c(a.id), "a");
	T_EQ_C(sp_str_c(a.bundle), "/b");
	T_EQ_C(sp_str_c(a.action), "start");
	T_TRUE(a.debug && !a.version);
	const char *bad[] = {"shim", "-what"}, *cut[] = {"shim", "-id"};
	T_CODE(shim_args_parse(2, bad, &a, T_ERR), SP_EINVAL);
	T_CODE(shim_args_parse(2, cut, &a, T_ERR), SP_EINVAL);
}

static void put_options(sp_buf *out, const char *type)
{
	SP_AUTO_BUF value;
	sp_buf_init(&value, 1024);
	const shim_options o = {.shim_cgroup = SP_STR("/pods/x"),
				.binary_name = SP_STR("crun"),
				.systemd_cgroup = true,
				.io_uid = 7};
	sp_pb_encode(&shim_options_message, &o, &value);
	const shim_any any = {sp_str_c(type), sp_buf_view(&value)};
	sp_pb_encode(&shim_any_message, &any, out);
}

SP_TEST(shim_args, standard_input)
{
	SP_AUTO_BUF in;
	shim_boot boot;
	sp_buf_init(&in, 4096);
	T_OK(shim_boot_parse(SP_STR(""), T_ARENA, &boot, T_ERR));
	T_TRUE(!boot.is_params && boot.options.shim_cgroup.len == 0);

	put_options(&in, "containerd.runc.v1.Options");
	T_OK(shim_boot_parse(sp_buf_view(&in), T_ARENA, &boot, T_ERR));
	T_TRUE(!boot.is_params && boot.options.systemd_cgroup && boot.options.io_uid == 7);
	T_EQ_C(boot.options.shim_cgroup, "/pods/x");

	sp_buf_clear(&in);
	put_options(&in, "type.googleapis.com/containerd.runc.v1.Options");
	T_OK(shim_boot_parse(sp_buf_view(&in), T_ARENA, &boot, T_ERR));
	T_EQ_C(boot.options.binary_name, "crun");

	sp_buf_clear(&in);
	put_options(&in, "runtimeoptions.v1.Options");
	T_OK(shim_boot_parse(sp_buf_view(&in), T_ARENA, &boot, T_ERR));
	T_EQ_C(boot.options.binary_name, "");
	T_CODE(shim_boot_parse(SP_STR("\x0a\x7f"), T_ARENA, &boot, T_ERR), SP_EINVAL);
}

SP_TEST(shim_args, bootstrap_params)
{
	SP_AUTO_BUF in, any_bytes;
	shim_boot boot;
	sp_buf_init(&in, 4096);
	sp_buf_init(&any_bytes, 4096);
	put_options(&any_bytes, "containerd.runc.v1.Options");
	shim_any any;
	T_OK(sp_pb_decode(&shim_any_message, sp_buf_view(&any_bytes), T_ARENA, &any, T_ERR));
	SP_AUTO_BUF owner_bytes;
	sp_buf_init(&owner_bytes, 4096);
	const shim_owner owner = {.uid = 7, .gid = 8};
	sp_pb_encode(&shim_owner_message, &owner, &owner_bytes);
	shim_any owner_any = {SP_STR("sampan.shim.v1.Owner"), sp_buf_view(&owner_bytes)};
	shim_extension extensions[] = {{&any}, {&owner_any}};
	const shim_bootstrap params = {.instance_id = SP_STR("id"),
				       .ns = SP_STR("ns"),
				       .containerd_version = SP_STR("2.4"),
				       .ttrpc_address = SP_STR("/run/t"),
				       .socket_dir = SP_STR("/run/s"),
				       .extensions = {extensions, SP_LEN(extensions)}};
	sp_pb_encode(&shim_bootstrap_message, &params, &in);
	T_OK(shim_boot_parse(sp_buf_view(&in), T_ARENA, &boot, T_ERR));
	T_TRUE(boot.is_params);
	T_EQ_C(boot.ttrpc_address, "/run/t");
	T_EQ_C(boot.socket_dir, "/run/s");
	T_EQ_C(boot.options.shim_cgroup, "/pods/x");
	T_TRUE(boot.owner.uid == 7 && boot.owner.gid == 8);
}

SP_TEST(shim_config, groups_and_namespaces)
{
	static const struct {
		const char *json, *group;
		bool own_pid_ns, shares;
		sp_code code;
	} rows[] = {
		{"{}", "", false, false, SP_OK},
		{"{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"pod\"}}", "pod", false, false, SP_OK},
		{"{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"pod\",\"io.containerd.runc.v2.group\":"
		 "\"g\\u0031\"}}",
		 "g1", false, false, SP_OK},
		{"{\"annotations\":null,\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"net\","
		 "\"path\":\"/n\"}]}}",
		 "", true, false, SP_OK},
		{"{\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"}]}}", "", false,
		 false, SP_OK},
		{"{\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"\"}]},\"mounts\":[{\"options\":["
		 "\"rshared\"]}]}",
		 "", true, true, SP_OK},
		{"", "", false, false, SP_EINVAL},
		{"[]", "", false, false, SP_EINVAL},
		{"{\"annotations\":5}", "", false, false, SP_EINVAL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		shim_config c;
		t_row("%s", rows[i].json);
		T_CODE(shim_config_parse(sp_str_c(rows[i].json), T_ARENA, &c, T_ERR), rows[i].code);
		if (rows[i].code != SP_OK)
			continue;
		T_EQ_C(c.group, rows[i].group);
		T_TRUE(c.own_pid_ns == rows[i].own_pid_ns && c.shares_mounts == rows[i].shares);
	}
}

SP_TEST(shim_config, cgroup)
{
	shim_config c;
	T_OK(shim_config_parse(SP_STR("{\"linux\":{\"cgroupsPath\":\"/pods/x\"}}"), T_ARENA, &c, T_ERR));
	T_EQ_C(c.cgroup, "/pods/x");
	T_OK(shim_config_parse(SP_STR("{\"linux\":{}}"), T_ARENA, &c, T_ERR));
	T_EQ_C(c.cgroup, "");
}

SP_TEST(shim_config, last_error_of_a_log)
{
	T_EQ_C(shim_log_error(
		       SP_STR("{\"level\":\"error\",\"msg\":\"first\"}\nnot json\n"
			      "{\"level\":\"error\",\"msg\":\"exec \\\"x\\\": no\\n\",\"time\":\"t\"}\n"
			      "{\"level\":\"warning\",\"msg\":\"w\"}\n"),
		       T_ARENA),
	       "exec \"x\": no");
	T_EQ_C(shim_log_error(SP_STR(""), T_ARENA), "");
	T_EQ_C(shim_log_error(SP_STR("{\"level\":\"error\""), T_ARENA), "");
}

SP_TEST(shim_uri, schemes)
{
	static const struct {
		const char *text, *path;
		shim_uri_kind kind;
		sp_code code;
	} rows[] = {
		{"", "", SHIM_URI_NONE, SP_OK},
		{"/run/a b", "/run/a b", SHIM_URI_FIFO, SP_OK},
		{"fifo:///f", "/f", SHIM_URI_FIFO, SP_OK},
		{"file:///a%20b", "/a b", SHIM_URI_FILE, SP_OK},
		{"binary:///bin/x?a=b", "/bin/x", SHIM_URI_BINARY, SP_OK},
		{"cri:///l?socket=/s&max=9", "/l", SHIM_URI_CRI, SP_OK},
		{"stream:///s", "/s", SHIM_URI_STREAM, SP_OK},
		{"relative", NULL, SHIM_URI_NONE, SP_EINVAL},
		{"file://host/x", NULL, SHIM_URI_NONE, SP_EINVAL},
		{"file:///%zz", NULL, SHIM_URI_NONE, SP_EINVAL},
		{"file:///a%00b", NULL, SHIM_URI_NONE, SP_EINVAL},
		{"ftp:///x", NULL, SHIM_URI_NONE, SP_EUNSUPPORTED},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		shim_uri u;
		t_row("%s", rows[i].text);
		T_CODE(shim_uri_parse(sp_str_c(rows[i].text), T_ARENA, &u, T_ERR), rows[i].code);
		if (rows[i].code == SP_OK) {
			T_EQ_I64(u.kind, rows[i].kind);
			T_EQ_C(sp_str_c(u.path), rows[i].path);
		}
	}
}

SP_TEST(shim_frames, cut_anywhere)
{
	SP_AUTO_BUF wire, got;
	sp_buf_init(&wire, 4096);
	sp_buf_init(&got, 4096);
	shim_frame_put(&wire, 0, SP_STR("hello"));
	shim_frame_put(&wire, 3, SP_STR("resize"));
	shim_frame_put(&wire, 0, (sp_str){NULL, 0});
	for (size_t cut = 0; cut <= wire.len; cut++) {
		shim_frame_reader r = {.n_head = 0};
		sp_str parts[2] = {sp_str_sub(sp_buf_view(&wire), 0, cut),
				   sp_str_sub(sp_buf_view(&wire), cut, wire.len)};
		unsigned stream, n_ends = 0;
		sp_str bytes;
		sp_buf_clear(&got);
		for (int i = 0; i < 2; i++) {
			while (shim_frame_next(&r, &parts[i], &stream, &bytes)) {
				if (bytes.len == 0)
					n_ends++;
				else if (stream == 0)
					sp_buf_str(&got, bytes);
			}
		}
		T_EQ_C(sp_buf_view(&got), "hello");
		T_EQ_U64(n_ends, 1);
	}
}
