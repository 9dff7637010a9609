/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampan-unpack: the part of images that reads archives and owns files, apart from everything else and with
 * next to no rights (confine.h).
 *
 *   sampan-unpack unpack DIR [--parent DIR …] [--bytes N] [--inodes N] [--reserve N] [--allow-devices]
 * [--user-xattr] the layer on standard input into DIR, which is there and empty sampan-unpack remove DIR
 *   sampan-unpack usage DIR
 *
 * One line on standard output tells the outcome, and everything is on disk by then:
 *   ok BYTES INODES [DIGEST]        DIGEST: of the uncompressed layer, 64 hex digits
 *   failed CODE MESSAGE             CODE: a number of sp_code
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "runtime/unpack/apply.h"
#include "runtime/unpack/confine.h"
#include "runtime/unpack/place.h"
#include "runtime/unpack/source.h"
#include "runtime/unpack/tree.h"

#define PARENTS_MAX 512u
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

typedef struct command {
	const char *verb, *dir;
	int parents[PARENTS_MAX];
	unpack_opts opts;
	bool apart; /* in a user namespace of its own */
} command;

typedef struct outcome {
	uint64_t bytes, inodes;
	char digest[SP_SHA256_TEXT_BYTES + 1];
} outcome;

static sp_code open_dir(const char *path, int *ret, sp_err *err)
{
	*ret = open(path, DIR_FLAGS);
	return *ret >= 0 ? SP_OK : sp_fail_sys(err, errno, "open '%s'", path);
}

/* ---- flags ---- */

static sp_code add_parent(command *c, const char *path, sp_err *err)
{
	if (c->opts.n_parents == PARENTS_MAX)
		return sp_fail(err, SP_EINVAL, "more than %u layers", PARENTS_MAX);
	return open_dir(path, &c->parents[c->opts.n_parents++], err);
}

static sp_code parse(command *c, int argc, char **argv, sp_err *err)
{
	const struct {
		const char *name;
		uint64_t *number;
		bool *on;
	} flags[] = {
		{"--bytes", &c->opts.bytes_max, NULL},
		{"--inodes", &c->opts.inodes_max, NULL},
		{"--reserve", &c->opts.reserve_bytes, NULL},
		{"--allow-devices", NULL, &c->opts.allow_devices},
		{"--user-xattr", NULL, &c->opts.user_xattr},
	};
	if (argc < 3)
		return sp_fail(err, SP_EINVAL, "usage: sampan-unpack unpack|remove|usage DIR [FLAGS]");
	c->verb = argv[1];
	c->dir = argv[2];
	for (int i = 3; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		size_t k = 0;
		if (strcmp(argv[i], "--parent") == 0) {
			SP_TRY(add_parent(c, value, err));
			i++;
			continue;
		}
		while (k < SP_LEN(flags) && strcmp(argv[i], flags[k].name) != 0)
			k++;
		if (k == SP_LEN(flags))
			return sp_fail(err, SP_EINVAL, "unknown flag '%s'", argv[i]);
		if (flags[k].on != NULL) {
			*flags[k].on = true;
		} else {
			SP_TRY(sp_parse_u64(sp_str_c(value), 0, UINT64_MAX, flags[k].number, err));
			i++;
		}
	}
	c->opts.parents = c->parents;
	return SP_OK;
}

/* ---- verbs ---- */

static sp_code do_unpack(command *c, outcome *ret, sp_err *err)
{
	int root;
	unsigned may = (c->opts.allow_devices ? UNPACK_MAY_MKNOD : 0) |
		       (c->opts.n_parents > 0 && !c->opts.user_xattr ? UNPACK_MAY_TRUST : 0);
	SP_TRY(open_dir(c->dir, &root, err));
	/* Until the layer says otherwise: whoever made it need not be root. */
	if (!c->apart && fchown(root, 0, 0) != 0)
		return sp_fail_sys(err, errno, "own '%s'", c->dir);
	c->opts.one_owner = c->apart;
	unpack_source *source = unpack_source_new(STDIN_FILENO);
	if (source == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory");
	SP_TRY(unpack_confine(root, may, err));
	sp_tar tar;
	unpack_totals totals = {0, 0};
	sp_tar_init(&tar, unpack_source_fill, source);
	sp_code code = unpack_apply(root, &tar, &c->opts, &totals, err);
	sp_tar_done(&tar);
	if (code == SP_OK) {
		unpack_source_digest(source, ret->digest);
		ret->bytes = totals.bytes;
		ret->inodes = totals.inodes;
		if (syncfs(root) != 0)
			code = sp_fail_sys(err, errno, "write to the disk");
	}
	unpack_source_free(source);
	return code;
}

static sp_code do_remove(command *c, outcome *ret, sp_err *err)
{
	char above[UNPACK_PATH_BYTES];
	const char *slash = strrchr(c->dir, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - c->dir);
	int fd;
	if (n == 0 || n >= sizeof above || slash[1] == '\0' || strcmp(slash, "/..") == 0 ||
	    strcmp(slash, "/.") == 0)
		return sp_fail(err, SP_EINVAL, "'%s' can't be removed", c->dir);
	memcpy(above, c->dir, n);
	above[n] = '\0';
	SP_TRY(open_dir(above, &fd, err));
	SP_TRY(unpack_confine(fd, 0, err));
	return unpack_tree_remove(fd, slash + 1, &ret->inodes, err);
}

static sp_code do_usage(command *c, outcome *ret, sp_err *err)
{
	unpack_tree_size size;
	int fd;
	SP_TRY(open_dir(c->dir, &fd, err));
	SP_TRY(unpack_confine(fd, 0, err));
	SP_TRY(unpack_tree_measure(fd, &size, err));
	ret->bytes = size.bytes;
	ret->inodes = size.inodes;
	return SP_OK;
}

static sp_code run(command *c, int argc, char **argv, outcome *ret, sp_err *err)
{
	static const struct {
		const char *name;
		sp_code (*fn)(command *c, outcome *ret, sp_err *err);
	} verbs[] = {{"unpack", do_unpack}, {"remove", do_remove}, {"usage", do_usage}};
	SP_TRY(parse(c, argc, argv, err));
	SP_ASSERT(c->verb != NULL);
	(void)umask(0);
	if (geteuid() != 0) {
		SP_TRY(unpack_own_namespace(err));
		c->apart = true;
	}
	for (size_t i = 0; i < SP_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, c->verb) == 0)
			return verbs[i].fn(c, ret, err);
	}
	return sp_fail(err, SP_EINVAL, "unknown verb '%s'", c->verb);
}

int main(int argc, char **argv)
{
	static command c = {.opts = {.bytes_max = UINT64_MAX, .inodes_max = UINT64_MAX}};
	outcome out = {0, 0, ""};
	sp_err err = {0};
	char line[512];
	int n;
	sp_code code = run(&c, argc, argv, &out, &err);
	if (code == SP_OK)
		n = snprintf(line, sizeof line, "ok %llu %llu %s\n", (unsigned long long)out.bytes,
			     (unsigned long long)out.inodes, out.digest);
	else
		n = snprintf(line, sizeof line, "failed %d %s\n", (int)code, err.msg);
	/* Who asked sees the status when there is no line. */
	bool told = write(STDOUT_FILENO, line, (size_t)n) == n;
	return told && code == SP_OK ? 0 : 1;
}
