/* SPDX-License-Identifier: Apache-2.0 */
#include "node/log_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/url.h"

#define NAMES_MAX 65536u
#define HEAD_BYTES 512u

/* ---- opening ---- */

/* By no link: `path` has none any more, unless somebody puts one there just now. */
static int open_plain(const char *root, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
	int failed = errno;
	if (dir >= 0)
		(void)close(dir);
	errno = failed;
	return fd;
}

/* What is below the root of a path without links; NULL: it is not. */
static const char *below(const char *root, const char *path)
{
	size_t n = strlen(root);
	if (strncmp(root, path, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	return path[n] == '\0' ? "." : path + n + 1;
}

static sp_code not_there(sp_err *err)
{
	return sp_fail(err, SP_ENOTFOUND, "404 page not found");
}

static sp_code stat_entry(node_log_entry *e, sp_err *err)
{
	struct stat st;
	if (fstat(e->fd, &st) != 0 || (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))) {
		(void)close(e->fd);
		e->fd = -1;
		return sp_fail(err, SP_EINVAL, "500 Internal Server Error");
	}
	e->is_dir = S_ISDIR(st.st_mode);
	e->size = e->is_dir ? 0 : (uint64_t)st.st_size;
	return SP_OK;
}

sp_code node_log_entry_open(const char *root, sp_str rel, node_log_entry *ret, sp_err *err)
{
	char path[PATH_MAX], real_root[PATH_MAX], real[PATH_MAX];
	node_log_entry e = {.fd = -1};
	int n = snprintf(path, sizeof path, "%s/" SP_FMT, root, SP_ARG(rel));
	if (n < 0 || (size_t)n >= sizeof path || sp_str_index(rel, '\0') >= 0)
		return not_there(err);
	if (realpath(root, real_root) == NULL || realpath(path, real) == NULL)
		return errno == EACCES ? sp_fail(err, SP_EFORBIDDEN, "403 Forbidden") : not_there(err);
	const char *inside = below(real_root, real);
	if (inside == NULL)
		return not_there(err);
	e.fd = open_plain(real_root, inside);
	if (e.fd < 0)
		return errno == EACCES || errno == EPERM ? sp_fail(err, SP_EFORBIDDEN, "403 Forbidden")
							 : not_there(err);
	SP_TRY(stat_entry(&e, err));
	*ret = e;
	return SP_OK;
}

/* ---- lists ---- */

/* As Go's HTML templates escape. */
static void put_html(sp_buf *out, sp_str text)
{
	static const struct {
		char c;
		sp_str as;
	} special[] = {{'&', SP_STR_INIT("&amp;")},
		       {'<', SP_STR_INIT("&lt;")},
		       {'>', SP_STR_INIT("&gt;")},
		       {'"', SP_STR_INIT("&#34;")},
		       {'\'', SP_STR_INIT("&#39;")}};
	for (size_t i = 0; i < text.len; i++) {
		size_t k = 0;
		while (k < SP_LEN(special) && special[k].c != text.ptr[i])
			k++;
		if (k < SP_LEN(special))
			(void)sp_buf_str(out, special[k].as);
		else
			(void)sp_buf_char(out, text.ptr[i]);
	}
}

static void put_link(sp_buf *out, const char *name, bool is_dir)
{
	sp_str text = sp_str_c(name);
	(void)sp_buf_str(out, SP_STR("<a href=\""));
	(void)sp_url_escape(out, text);
	(void)sp_buf_str(out, is_dir ? SP_STR("/\">") : SP_STR("\">"));
	put_html(out, text);
	(void)sp_buf_str(out, is_dir ? SP_STR("/</a>\n") : SP_STR("</a>\n"));
}

typedef struct listed {
	char name[NAME_MAX + 1];
	bool is_dir;
} listed;

static int by_name(const void *a, const void *b)
{
	return strcmp(((const listed *)a)->name, ((const listed *)b)->name);
}

static sp_code read_names(DIR *d, listed **at, size_t *n, sp_err *err)
{
	const struct dirent *e;
	size_t cap = 0;
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (*n == cap) {
			size_t next = cap == 0 ? 64 : cap * 2;
			listed *more = next > NAMES_MAX
					       ? NULL
					       : sp_try_realloc(*at, cap * sizeof *more, next * sizeof *more);
			if (more == NULL)
				return sp_fail(err, SP_ETOOLARGE, "Error reading directory");
			*at = more;
			cap = next;
		}
		listed *one = &(*at)[(*n)++];
		(void)snprintf(one->name, sizeof one->name, "%s", e->d_name);
		one->is_dir = e->d_type == DT_DIR;
	}
	return SP_OK;
}

sp_code node_log_entry_list(const node_log_entry *e, sp_buf *out, sp_err *err)
{
	listed *at = NULL;
	size_t n = 0;
	int fd = dup(e->fd);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return sp_fail(err, SP_EIO, "Error reading directory");
	}
	sp_code code = read_names(d, &at, &n, err);
	(void)closedir(d);
	(void)sp_buf_str(out,
			 SP_STR("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n"
				"<pre>\n"));
	if (n > 0)
		qsort(at, n, sizeof *at, by_name);
	for (size_t i = 0; i < n; i++)
		put_link(out, at[i].name, at[i].is_dir);
	(void)sp_buf_str(out, SP_STR("</pre>\n"));
	sp_free(at);
	return code != SP_OK ? code : sp_buf_code(out);
}

/* U: net/http sniff.go: bytes that no text has. */
sp_str node_log_type(sp_str head)
{
	for (size_t i = 0; i < head.len && i < HEAD_BYTES; i++) {
		unsigned char c = (unsigned char)head.ptr[i];
		if (c <= 0x08 || c == 0x0b || (c >= 0x0e && c <= 0x1a) || (c >= 0x1c && c <= 0x1f))
			return SP_STR("application/octet-stream");
	}
	return SP_STR("text/plain; charset=utf-8");
}
