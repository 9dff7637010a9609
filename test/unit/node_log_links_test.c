/* SPDX-License-Identifier: Apache-2.0 */
/* Links to logs, on a real file system. */
#include "lib/peer.h"
#include "lib/t.h"
#include "node/files.h"
#include "node/log_links.h"

static sp_str in_tmp(const char *name)
{
	return sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name);
}

static bool has(sp_world *w, sp_str path)
{
	sp_stat stat;
	return sp_path_stat(w, path, &stat, T_ERR) == SP_OK;
}

SP_TEST(node_log_links, names)
{
	char id[300];
	memset(id, 'x', sizeof id);
	T_EQ_C(node_log_links_root(T_ARENA, SP_STR("/var/log/pods")), "/var/log/containers");
	T_TRUE(node_log_links_root(T_ARENA, SP_STR("/var/log/mypods")).ptr == NULL);
	T_TRUE(node_log_links_root(T_ARENA, SP_STR("/data/logs")).ptr == NULL);
	T_EQ_C(node_log_link(T_ARENA, SP_STR("/l"), SP_STR("ns"), SP_STR("web-0"), SP_STR("c"),
			     SP_STR("0123")),
	       "/l/web-0_ns_c-0123.log");
	sp_str cut = node_log_link(T_ARENA, SP_STR("/l"), SP_STR("ns"), SP_STR("web-0"), SP_STR("c"),
				   (sp_str){id, sizeof id});
	T_EQ_U64(cut.len, 3 + 255);
	T_TRUE(sp_str_ends(cut, SP_STR("xx.log")));
}

SP_TEST(node_log_links, life)
{
	sp_world *w = t_world_uv();
	sp_pod_files *f = node_files();
	T_TRUE(w != NULL);
	sp_str pods = in_tmp("pods"), links = node_log_links_root(T_ARENA, pods);
	sp_str log = in_tmp("pods/ns_web_uid1/c/0.log"), other = in_tmp("pods/ns_web_uid2/c/0.log");
	sp_str a = node_log_link(T_ARENA, links, SP_STR("ns"), SP_STR("web"), SP_STR("c"), SP_STR("id1"));
	sp_str b = node_log_link(T_ARENA, links, SP_STR("ns"), SP_STR("web"), SP_STR("c"), SP_STR("id2"));
	sp_str lost = node_log_link(T_ARENA, links, SP_STR("ns"), SP_STR("old"), SP_STR("c"), SP_STR("id3"));
	T_OK(node_log_links_sweep(w, f, links, T_ARENA, T_ERR)); /* there is no directory yet */
	T_OK(sp_dir_make(w, links, 0755, T_ERR));
	T_OK(sp_dir_make(w, log, 0755, T_ERR)); /* anything that is there */
	T_OK(sp_dir_make(w, other, 0755, T_ERR));
	T_OK(f->link(f, log, a, T_ERR));
	T_OK(f->link(f, log, a, T_ERR)); /* again is fine */
	T_OK(f->link(f, other, b, T_ERR));
	T_OK(f->link(f, in_tmp("pods/ns_old_uid3/c/0.log"), lost, T_ERR));
	T_OK(node_log_links_sweep(w, f, links, T_ARENA, T_ERR));
	T_TRUE(has(w, a) && has(w, b) && !has(w, lost));
	/* of a pod: not those of the next one of its name */
	T_OK(node_log_links_remove(w, f, links, SP_STR("ns"), SP_STR("web"), in_tmp("pods/ns_web_uid"),
				   T_ARENA, T_ERR));
	T_TRUE(has(w, a) && has(w, b));
	T_OK(node_log_links_remove(w, f, links, SP_STR("ns"), SP_STR("web"), in_tmp("pods/ns_web_uid1"),
				   T_ARENA, T_ERR));
	T_TRUE(!has(w, a) && has(w, b));
	/* of one container */
	T_OK(node_log_links_remove(w, f, links, SP_STR("ns"), SP_STR("web"), other, T_ARENA, T_ERR));
	T_TRUE(!has(w, b));
	T_OK(node_log_links_remove(w, f, (sp_str){NULL, 0}, SP_STR("ns"), SP_STR("web"), other, T_ARENA,
				   T_ERR));
}
