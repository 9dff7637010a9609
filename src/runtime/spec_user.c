/* SPDX-License-Identifier: Apache-2.0 */
/* Who a container runs as: the request, else the image, names looked up in the container's own files. */
#include "base/num.h"
#include "runtime/spec.h"

#define GROUPS_MAX 1024u
#define ID_MAX INT64_C(4294967294)

/* Field i of a line whose fields stand between colons. */
static sp_str field(sp_str line, int i)
{
	sp_str f;
	for (; i > 0; i--) {
		if (!sp_str_cut(&line, ':', &f))
			return (sp_str){NULL, 0};
	}
	return sp_str_cut(&line, ':', &f) ? f : line;
}

static bool next_line(sp_str *text, sp_str *ret)
{
	if (text->len == 0)
		return false;
	if (!sp_str_cut(text, '\n', ret)) {
		*ret = *text;
		text->len = 0;
	}
	return true;
}

static bool id_of(sp_str s, int64_t *ret)
{
	return sp_parse_i64(s, 0, ID_MAX, ret, NULL) == SP_OK;
}

/* ---- /etc/passwd, /etc/group ---- */

typedef struct account {
	sp_str name;
	int64_t uid, gid;
	bool found;
} account;

/* By name, or by number when the text is one. */
static account find_user(sp_str passwd, sp_str who)
{
	account a = {.found = false};
	int64_t uid;
	bool is_number = id_of(who, &uid);
	sp_str line;
	while (next_line(&passwd, &line)) {
		if (!sp_str_eq(field(line, 0), who) && !(is_number && sp_str_eq(field(line, 2), who)))
			continue;
		if (!id_of(field(line, 2), &a.uid) || !id_of(field(line, 3), &a.gid))
			continue;
		a.name = field(line, 0);
		a.found = true;
		return a;
	}
	return a;
}

static bool find_group(sp_str group, sp_str who, int64_t *ret)
{
	sp_str line;
	if (id_of(who, ret))
		return true;
	while (next_line(&group, &line)) {
		if (sp_str_eq(field(line, 0), who))
			return id_of(field(line, 2), ret);
	}
	return false;
}

static bool is_member(sp_str members, sp_str name)
{
	sp_str m;
	while (sp_str_cut(&members, ',', &m)) {
		if (sp_str_eq(m, name))
			return true;
	}
	return sp_str_eq(members, name);
}

/* ---- supplemental groups ---- */

typedef struct groups {
	int64_t *at;
	size_t n;
} groups;

/* Keeps them ascending and each once. */
static void add_group(groups *g, int64_t gid)
{
	size_t i = g->n;
	while (i > 0 && g->at[i - 1] > gid)
		i--;
	if ((i > 0 && g->at[i - 1] == gid) || g->n == GROUPS_MAX)
		return;
	memmove(&g->at[i + 1], &g->at[i], (g->n - i) * sizeof g->at[0]);
	g->at[i] = gid;
	g->n++;
}

static void add_memberships(groups *g, sp_str text, sp_str name)
{
	sp_str line;
	int64_t gid;
	while (next_line(&text, &line)) {
		if (is_member(field(line, 3), name) && id_of(field(line, 2), &gid))
			add_group(g, gid);
	}
}

/* ---- the request ---- */

/* "user[:group]" of the request, else the image's. */
static sp_code wanted(const sp_cri_linux_container_security_context *sc, sp_str image_user, sp_arena *a,
		      sp_str *ret, sp_err *err)
{
	sp_str user = {NULL, 0};
	if (sc != NULL && sc->run_as_username.len > 0)
		user = sc->run_as_username;
	else if (sc != NULL && sc->run_as_user != NULL)
		user = sp_arena_printf(a, "%lld", (long long)sc->run_as_user->value);
	if (sc != NULL && sc->run_as_group != NULL) {
		if (user.len == 0)
			return sp_fail(err, SP_EINVAL, "user group \"%lld\" is specified without user",
				       (long long)sc->run_as_group->value);
		user = sp_arena_printf(a, SP_FMT ":%lld", SP_ARG(user), (long long)sc->run_as_group->value);
	}
	*ret = user.len > 0 ? user : image_user;
	return SP_OK;
}

sp_code rt_spec_user(const sp_cri_linux_container_security_context *sc, sp_str image_user,
		     const sp_host_users *users, sp_arena *a, rt_user *ret, sp_err *err)
{
	sp_str text, who, group = {NULL, 0};
	SP_TRY(wanted(sc, image_user, a, &text, err));
	if (!sp_str_cut(&text, ':', &who))
		who = text;
	else
		group = text;
	if (who.len == 0)
		who = SP_STR("0");
	account acc = find_user(users->passwd, who);
	if (!acc.found && !id_of(who, &acc.uid))
		return sp_fail(err, SP_EINVAL, "no user \"" SP_FMT "\" in the image's /etc/passwd",
			       SP_ARG(who));
	if (group.len > 0 && !find_group(users->group, group, &acc.gid))
		return sp_fail(err, SP_EINVAL, "no group \"" SP_FMT "\" in the image's /etc/group",
			       SP_ARG(group));
	groups g = {.at = sp_new(a, int64_t, GROUPS_MAX + 1)};
	add_group(&g, acc.gid);
	if ((sc == NULL || sc->supplemental_groups_policy == SP_CRI_GROUPS_MERGE) && acc.found)
		add_memberships(&g, users->group, acc.name);
	for (size_t i = 0; sc != NULL && i < sc->supplemental_groups.n; i++)
		add_group(&g, sc->supplemental_groups.at[i]);
	*ret = (rt_user){.uid = acc.uid, .gid = acc.gid, .groups = g.at, .n_groups = g.n};
	return SP_OK;
}
