/* SPDX-License-Identifier: Apache-2.0 */
/* config.json from what CRI and the image say. */
#include "runtime/handlers.h"
#include "runtime/spec.h"

#include "lib/t.h"

#define ALL_CAPS ((UINT64_C(1) << 41) - 1)

typedef struct made {
	sp_cri_container_metadata meta;
	sp_cri_pod_sandbox_metadata pod;
	sp_cri_linux_container_security_context sc;
	sp_cri_linux_container_config linux_;
	sp_cri_container_config config;
	sp_cri_pod_sandbox_config sandbox;
	image_config image;
	rt_spec spec;
} made;

static made *make(void)
{
	static const sp_str env[] = {SP_STR_INIT("PATH=/bin"), SP_STR_INIT("A=image")};
	static const sp_str cmd[] = {SP_STR_INIT("sh")};
	static const sp_str entry[] = {SP_STR_INIT("/entry")};
	made *m = sp_new(T_ARENA, made, 1);
	m->meta.name = SP_STR("c");
	m->pod = (sp_cri_pod_sandbox_metadata){
		.name = SP_STR("p"), .namespace = SP_STR("ns"), .uid = SP_STR("u")};
	m->linux_.security_context = &m->sc;
	m->config.metadata = &m->meta;
	m->config.linux_ = &m->linux_;
	m->sandbox.metadata = &m->pod;
	m->image.env = (sp_strs){env, 2};
	m->image.cmd = (sp_strs){cmd, 1};
	m->image.entrypoint = (sp_strs){entry, 1};
	m->spec = (rt_spec){.id = SP_STR("cid"),
			    .sandbox_id = SP_STR("sid"),
			    .config = &m->config,
			    .sandbox = &m->sandbox,
			    .image = &m->image,
			    .own_pids = true,
			    .caps = ALL_CAPS,
			    .cgroup = SP_STR("/g/cid"),
			    .net = SP_STR("/ns/net")};
	return m;
}

static yyjson_val *written(made *m)
{
	SP_AUTO_BUF out;
	yyjson_val *v = NULL;
	sp_buf_init(&out, 1 << 20);
	if (rt_spec_write(&m->spec, T_ARENA, &out, T_ERR) != SP_OK ||
	    sp_json_parse(T_ARENA, sp_buf_view(&out), &v, T_ERR) != SP_OK)
		return NULL;
	return v;
}

static yyjson_val *at(yyjson_val *v, const char *pointer)
{
	return yyjson_ptr_get(v, pointer);
}

static bool has_text(yyjson_val *list, const char *text)
{
	size_t i, n;
	yyjson_val *v;
	yyjson_arr_foreach(list, i, n, v)
	{
		if (yyjson_equals_str(v, text))
			return true;
	}
	return false;
}

SP_TEST(runtime_spec, arguments_follow_command_and_image)
{
	static const sp_str command[] = {SP_STR_INIT("/cmd")}, args[] = {SP_STR_INIT("x"), SP_STR_INIT("y")};
	const struct {
		size_t n_command, n_args;
		const char *want;
	} rows[] = {{0, 0, "/entry sh"}, {0, 2, "/entry x y"}, {1, 0, "/cmd"}, {1, 2, "/cmd x y"}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		made *m = make();
		m->config.command.at = sp_new(T_ARENA, sp_str, 1);
		m->config.args.at = sp_new(T_ARENA, sp_str, 2);
		m->config.command.at[0] = command[0];
		memcpy(m->config.args.at, args, sizeof args);
		m->config.command.n = rows[i].n_command;
		m->config.args.n = rows[i].n_args;
		yyjson_val *v = written(m), *list = at(v, "/process/args"), *a;
		size_t k, n;
		SP_AUTO_BUF got;
		sp_buf_init(&got, 4096);
		T_TRUE(v != NULL);
		yyjson_arr_foreach(list, k, n, a)
		{
			sp_buf_printf(&got, "%s%s", k > 0 ? " " : "", yyjson_get_str(a));
		}
		T_EQ_STR(sp_buf_view(&got), sp_str_c(rows[i].want));
	}
}

SP_TEST(runtime_spec, without_a_command_it_is_refused)
{
	made *m = make();
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	m->image.cmd.n = m->image.entrypoint.n = 0;
	T_EQ_U64(rt_spec_write(&m->spec, T_ARENA, &out, T_ERR), SP_EINVAL);
	T_EQ_STR(sp_str_c(T_ERR->msg), SP_STR("no command specified"));
}

SP_TEST(runtime_spec, later_environment_wins)
{
	made *m = make();
	sp_cri_key_value envs[] = {{SP_STR("A"), SP_STR("request")}, {SP_STR("B"), SP_STR("1")}};
	m->config.envs.at = envs;
	m->config.envs.n = 2;
	m->spec.hostname_text = SP_STR("h");
	sp_strs env = rt_spec_env(&m->spec, T_ARENA);
	const char *const want[] = {"PATH=/bin", "HOSTNAME=h", "A=request", "B=1"};
	T_EQ_U64(env.n, SP_LEN(want));
	for (size_t i = 0; i < env.n; i++)
		T_EQ_STR(env.items[i], sp_str_c(want[i]));
}

SP_TEST(runtime_spec, namespaces_join_the_sandbox)
{
	made *m = make();
	yyjson_val *v = written(m);
	T_TRUE(v != NULL);
	T_TRUE(yyjson_equals_str(at(v, "/linux/namespaces/0/type"), "mount"));
	T_TRUE(yyjson_equals_str(at(v, "/linux/namespaces/1/type"), "pid"));
	T_TRUE(yyjson_equals_str(at(v, "/linux/namespaces/2/path"), "/ns/net"));
	T_EQ_U64(yyjson_arr_size(at(v, "/linux/namespaces")), 3);
	T_TRUE(yyjson_equals_str(at(v, "/linux/cgroupsPath"), "/g/cid"));
	T_TRUE(yyjson_equals_str(at(v, "/annotations/io.kubernetes.cri.sandbox-id"), "sid"));
}

SP_TEST(runtime_spec, users_of_the_pod_are_joined_and_told)
{
	made *m = make();
	sp_cri_id_mapping uids = {.host_id = 70000, .length = 65536},
			  gids = {.host_id = 80000, .length = 65536};
	sp_cri_user_namespace users = {.uids = {.at = &uids, .n = 1}, .gids = {.at = &gids, .n = 1}};
	T_TRUE(at(written(m), "/linux/uidMappings") == NULL);
	m->spec.users = &users;
	m->spec.user_ns = SP_STR("/ns/user");
	yyjson_val *v = written(m);
	T_TRUE(yyjson_equals_str(at(v, "/linux/namespaces/3/type"), "user"));
	T_TRUE(yyjson_equals_str(at(v, "/linux/namespaces/3/path"), "/ns/user"));
	T_EQ_U64(yyjson_get_uint(at(v, "/linux/uidMappings/0/hostID")), 70000);
	T_EQ_U64(yyjson_get_uint(at(v, "/linux/uidMappings/0/containerID")), 0);
	T_EQ_U64(yyjson_get_uint(at(v, "/linux/gidMappings/0/hostID")), 80000);
	T_EQ_U64(yyjson_get_uint(at(v, "/linux/gidMappings/0/size")), 65536);
}

SP_TEST(runtime_spec, the_order_of_killing_needs_a_capability)
{
	made *m = make();
	sp_cri_linux_container_resources r = {.oom_score_adj = -997};
	m->linux_.resources = &r;
	T_EQ_I64(yyjson_get_sint(at(written(m), "/process/oomScoreAdj")), -997);
	m->spec.caps = ALL_CAPS & ~rt_spec_capability(SP_STR("CAP_SYS_RESOURCE"));
	T_EQ_I64(yyjson_get_sint(at(written(m), "/process/oomScoreAdj")), 0);
	r.oom_score_adj = 900;
	T_EQ_I64(yyjson_get_sint(at(written(m), "/process/oomScoreAdj")), 900);
}

SP_TEST(runtime_spec, capabilities_add_and_drop)
{
	static const sp_str all[] = {SP_STR_INIT("ALL")}, admin[] = {SP_STR_INIT("sys_admin")};
	const struct {
		size_t n_add, n_drop;
		bool add_all;
		bool chown, sys_admin;
	} rows[] = {
		{0, 0, false, true, false}, {1, 0, false, true, true},   {1, 1, false, false, true},
		{1, 0, true, true, true},   {0, 1, false, false, false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		made *m = make();
		sp_cri_capability caps = {.add_capabilities = {NULL, rows[i].n_add}};
		sp_str add = rows[i].add_all ? all[0] : admin[0], drop = all[0];
		caps.add_capabilities.at = &add;
		caps.drop_capabilities.at = &drop;
		caps.drop_capabilities.n = rows[i].n_drop;
		m->sc.capabilities = &caps;
		yyjson_val *v = written(m), *list = at(v, "/process/capabilities/bounding");
		T_TRUE(v != NULL);
		T_EQ_U64(has_text(list, "CAP_CHOWN"), rows[i].chown);
		T_EQ_U64(has_text(list, "CAP_SYS_ADMIN"), rows[i].sys_admin);
	}
	made *m = make();
	m->sc.privileged = true;
	m->spec.caps = rt_spec_capability(SP_STR("KILL"));
	yyjson_val *v = written(m);
	T_EQ_U64(yyjson_arr_size(at(v, "/process/capabilities/effective")), 1); /* what the machine has */
}

SP_TEST(runtime_spec, huge_pages_where_they_are_counted)
{
	made *m = make();
	sp_cri_hugepage_limit limits[] = {{.page_size = SP_STR("2MB"), .limit = 4096}};
	sp_cri_linux_container_resources r = {.hugepage_limits = {limits, SP_LEN(limits)}};
	m->linux_.resources = &r;
	T_TRUE(at(written(m), "/linux/resources/hugepageLimits") == NULL);
	m->spec.counts_huge = true;
	yyjson_val *v = written(m);
	T_EQ_STR(sp_json_str(at(v, "/linux/resources/hugepageLimits/0/pageSize")), SP_STR("2MB"));
	T_EQ_I64(yyjson_get_sint(at(v, "/linux/resources/hugepageLimits/0/limit")), 4096);
}

SP_TEST(runtime_spec, mounts_hide_what_they_should)
{
	made *m = make();
	const sp_cri_mount hosts = {.container_path = SP_STR("/etc/hosts"), .readonly = true},
			   deep = {.container_path = SP_STR("/a/b"),
				   .propagation = SP_CRI_PROPAGATION_BIDIRECTIONAL},
			   flat = {.container_path = SP_STR("/a")};
	const rt_mount mounts[] = {{&deep, SP_STR("/host/deep")},
				   {&flat, SP_STR("/host/flat")},
				   {&hosts, SP_STR("/host/hosts")}};
	m->spec.mounts = mounts;
	m->spec.n_mounts = 3;
	m->spec.hosts = SP_STR("/sandbox/hosts");
	yyjson_val *v = written(m), *e;
	size_t i, n, flat_at = 0, deep_at = 0, n_hosts = 0;
	T_TRUE(v != NULL);
	yyjson_arr_foreach(at(v, "/mounts"), i, n, e)
	{
		const char *to = yyjson_get_str(at(e, "/destination"));
		if (strcmp(to, "/etc/hosts") == 0) {
			n_hosts++;
			T_TRUE(yyjson_equals_str(at(e, "/source"), "/host/hosts"));
			T_TRUE(has_text(at(e, "/options"), "ro"));
		}
		flat_at = strcmp(to, "/a") == 0 ? i : flat_at;
		deep_at = strcmp(to, "/a/b") == 0 ? i : deep_at;
	}
	T_EQ_U64(n_hosts, 1);
	T_TRUE(flat_at < deep_at);
	T_TRUE(yyjson_equals_str(at(v, "/linux/rootfsPropagation"), "rshared"));
}

SP_TEST(runtime_spec, users_come_from_the_containers_files)
{
	const sp_host_users users = {.passwd =
					     SP_STR("root:x:0:0:r:/:/bin/sh\napp:x:1000:100::/:\nbad line\n"),
				     .group = SP_STR("root:x:0:\nstaff:x:50:app,other\ntwo:x:60:other,app")};
	sp_cri_int64_value uid = {1000}, gid = {7};
	int64_t extra[] = {9, 50};
	const struct {
		const char *image;
		bool set_uid, set_gid, extra, strict;
		int64_t want_uid, want_gid;
		size_t n_groups; /* 0: refused */
	} rows[] = {
		{"", false, false, false, false, 0, 0, 1},
		{"app", false, false, false, false, 1000, 100, 3},
		{"app:staff", false, false, false, false, 1000, 50, 2},
		{"12:34", false, false, false, false, 12, 34, 1},
		{"nobody", false, false, false, false, 0, 0, 0},
		{"app:nogroup", false, false, false, false, 0, 0, 0},
		{"", true, false, false, false, 1000, 100, 3},
		{"", true, true, true, false, 1000, 7, 4},
		{"", true, true, true, true, 1000, 7, 3},
		{"", false, true, false, false, 0, 0, 0},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_cri_linux_container_security_context sc = {.run_as_user = rows[i].set_uid ? &uid : NULL,
							      .run_as_group = rows[i].set_gid ? &gid : NULL,
							      .supplemental_groups_policy =
								      rows[i].strict ? SP_CRI_GROUPS_STRICT
										     : SP_CRI_GROUPS_MERGE};
		rt_user u;
		sc.supplemental_groups.at = extra;
		sc.supplemental_groups.n = rows[i].extra ? 2 : 0;
		sp_code code = rt_spec_user(&sc, sp_str_c(rows[i].image), &users, T_ARENA, &u, T_ERR);
		if (rows[i].n_groups == 0) {
			T_EQ_U64(code, SP_EINVAL);
			continue;
		}
		T_OK(code);
		T_EQ_I64(u.uid, rows[i].want_uid);
		T_EQ_I64(u.gid, rows[i].want_gid);
		T_EQ_U64(u.n_groups, rows[i].n_groups);
		for (size_t k = 1; k < u.n_groups; k++)
			T_TRUE(u.groups[k - 1] < u.groups[k]);
	}
}

SP_TEST(runtime_spec, stop_signals)
{
	const struct {
		int32_t cri;
		const char *image;
		uint32_t want; /* 0: refused */
	} rows[] = {{0, "", 15},           {13, "SIGINT", 9}, {0, "SIGUSR1", 10}, {0, "usr2", 12},
		    {0, "9", 9},           {35, "", 34},      {65, "", 64},       {0, "RTMIN+3", 37},
		    {0, "SIGRTMIN+1", 35}, {0, "SIGNONE", 0}, {0, "RTMIN+31", 0}, {0, "65", 0},
		    {99, "", 15}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		uint32_t got = 0;
		sp_code code = rt_stop_signal(rows[i].cri, sp_str_c(rows[i].image), &got, T_ERR);
		T_EQ_U64(code == SP_OK, rows[i].want != 0);
		if (code == SP_OK)
			T_EQ_U64(got, rows[i].want);
	}
}

SP_TEST(runtime_spec, default_seccomp_follows_capabilities)
{
	for (int admin = 0; admin < 2; admin++) {
		SP_AUTO_BUF out;
		yyjson_val *v;
		sp_buf_init(&out, 1 << 20);
		rt_spec_default_seccomp(admin ? rt_spec_capability(SP_STR("SYS_ADMIN")) : 0, &out);
		T_OK(sp_json_parse(T_ARENA, sp_buf_view(&out), &v, T_ERR));
		T_TRUE(yyjson_equals_str(at(v, "/defaultAction"), "SCMP_ACT_ERRNO"));
		T_TRUE(has_text(at(v, "/syscalls/0/names"), "openat"));
		T_TRUE(!has_text(at(v, "/syscalls/0/names"), "kexec_load"));
		T_TRUE(!has_text(at(v, "/syscalls/0/names"), "mount"));
		T_EQ_U64(has_text(at(v, "/syscalls/1/names"), "mount"), (uint64_t)admin);
	}
}

SP_TEST(runtime_spec, volumes_of_the_image_that_no_mount_covers)
{
	static const sp_str paths[] = {
		SP_STR_INIT("/data"),      SP_STR_INIT("/data/"), SP_STR_INIT("var//./lib/x"),
		SP_STR_INIT("/mine/"),     SP_STR_INIT("/"),      SP_STR_INIT("/a/../../b"),
		SP_STR_INIT("/mine/below")};
	sp_cri_mount mounts[] = {{.container_path = SP_STR("/./mine")}};
	sp_cri_container_config c = {.mounts = {.at = mounts, .n = 1}};
	image_config img = {.volumes = {paths, SP_LEN(paths)}};
	sp_strs v;
	T_OK(rt_spec_volumes(&img, &c, T_ARENA, &v, T_ERR));
	T_EQ_U64(v.n, 4);
	T_EQ_STR(v.items[0], SP_STR("/data"));
	T_EQ_STR(v.items[1], SP_STR("/var/lib/x"));
	T_EQ_STR(v.items[2], SP_STR("/b"));
	T_EQ_STR(v.items[3], SP_STR("/mine/below"));
}

SP_TEST(runtime_spec, handlers_are_names_and_programs)
{
	rt_handler *h;
	size_t n;
	sp_str text = SP_STR("crun=/usr/bin/crun,old-1=runc"), options;
	T_OK(rt_handlers_parse(text, T_ARENA, &h, &n, T_ERR));
	T_EQ_U64(n, 2);
	T_EQ_STR(h[0].name, SP_STR("crun"));
	T_EQ_STR(h[1].shim_options, SP_STR("runc"));
	const rt_opts o = {.shim_options = SP_STR("default"), .handlers = h, .n_handlers = n};
	T_OK(rt_handler_options(&o, SP_STR(""), &options, T_ERR));
	T_EQ_STR(options, SP_STR("default"));
	T_OK(rt_handler_options(&o, SP_STR("old-1"), &options, T_ERR));
	T_EQ_STR(options, SP_STR("runc"));
	T_EQ_U64(rt_handler_options(&o, SP_STR("other"), &options, T_ERR), SP_EINVAL);
	T_EQ_STR(sp_str_c(T_ERR->msg), SP_STR("no runtime for \"other\" is configured"));
	const sp_cri_runtime_handler_features features = {.user_namespaces = true};
	sp_cri_status_response told = {0};
	rt_handlers_tell(&o, &features, T_ARENA, &told);
	T_EQ_U64(told.runtime_handlers.n, 3);
	T_EQ_STR(told.runtime_handlers.at[0].name, SP_STR(""));
	T_EQ_STR(told.runtime_handlers.at[2].name, SP_STR("old-1"));
	T_TRUE(told.runtime_handlers.at[2].features->user_namespaces);
	T_OK(rt_handlers_parse(SP_STR(""), T_ARENA, &h, &n, T_ERR));
	T_EQ_U64(n, 0);
}

SP_TEST(runtime_spec, handlers_that_are_wrong_are_named)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"crun", "runtime handler 'crun': name=program is wanted"},
		{"a=x,crun=", "runtime handler 'crun=': name=program is wanted"},
		{"=runc", "'' can't be the name of a runtime handler"},
		{"Crun=runc", "'Crun' can't be the name of a runtime handler"},
		{"-a=runc", "'-a' can't be the name of a runtime handler"},
		{"a=runc,a=crun", "runtime handler 'a' is there twice"},
	};
	rt_handler *h;
	size_t n;
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		T_EQ_U64(rt_handlers_parse(sp_str_c(rows[i].text), T_ARENA, &h, &n, T_ERR), SP_EINVAL);
		T_EQ_STR(sp_str_c(T_ERR->msg), sp_str_c(rows[i].why));
	}
}

SP_TEST(runtime_spec, apparmor_profiles_by_what_the_kernel_has)
{
	sp_cri_security_profile given[] = {
		{.profile_type = SP_CRI_PROFILE_RUNTIME_DEFAULT},
		{.profile_type = SP_CRI_PROFILE_UNCONFINED},
		{.profile_type = SP_CRI_PROFILE_LOCALHOST, .localhost_ref = SP_STR("mine")},
		{.profile_type = SP_CRI_PROFILE_LOCALHOST, .localhost_ref = SP_STR("localhost/mine")},
	};
	static const char *const texts[] = {"runtime/default", "unconfined", "localhost/mine",
					    "localhost/mine"};
	for (size_t i = 0; i < SP_LEN(given); i++) {
		const sp_cri_linux_container_security_context forms[] = {
			{.apparmor = &given[i]}, {.apparmor_profile = sp_str_c(texts[i])}};
		sp_str profile;
		for (size_t k = 0; k < SP_LEN(forms); k++) {
			T_OK(rt_spec_apparmor(&forms[k], true, &profile, T_ERR));
			T_EQ_STR(profile, i < 2 ? SP_STR("") : SP_STR("mine"));
			sp_code code = rt_spec_apparmor(&forms[k], false, &profile, T_ERR);
			T_EQ_U64(code, i < 2 ? SP_OK : SP_EINVAL);
			if (i >= 2)
				T_EQ_STR(sp_str_c(T_ERR->msg), SP_STR("apparmor is not supported"));
		}
	}
	T_TRUE(rt_apparmor_is_on(SP_STR("Y\n")) && !rt_apparmor_is_on(SP_STR("N\n")) &&
	       !rt_apparmor_is_on(SP_STR("")));
}

SP_TEST(runtime_spec, apparmor_profile_is_the_process_own)
{
	made *m = make();
	T_TRUE(at(written(m), "/process/apparmorProfile") == NULL);
	m->spec.apparmor = SP_STR("mine");
	T_TRUE(yyjson_equals_str(at(written(m), "/process/apparmorProfile"), "mine"));
}
