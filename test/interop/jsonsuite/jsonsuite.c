/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader on a folder of JSONTestSuite's test_parsing: y_ files must be taken, n_ files refused with
 * a text, i_ files are told. The explaining reader must agree. The last line sums up.
 */
#include <dirent.h>
#include <stdio.h>

#include "base/json.h"

#define FILE_MAX ((size_t)1 << 20)

static bool check(const char *path, const char *name)
{
	static char text[FILE_MAX];
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return false;
	sp_str in = {text, fread(text, 1, sizeof text, f)};
	(void)fclose(f);
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)256 << 20);
	yyjson_val *v;
	sp_err err = {0};
	sp_err raw_err = {0};
	sp_code code = sp_json_parse(&a, in, &v, &err);
	sp_code raw = sp_json_parse_raw(&a, in, &v, &raw_err);
	bool taken = code == SP_OK;
	bool ok = name[0] == 'y'   ? taken && raw == SP_OK
		  : name[0] == 'n' ? !taken && raw != SP_OK && err.msg[0] != '\0' && raw_err.msg[0] != '\0'
				   : taken || err.msg[0] != '\0';
	if (name[0] == 'i')
		printf("%s: %s %s\n", name, taken ? "taken" : "refused", err.msg);
	if (!ok)
		printf("FAIL %s: %s %s\n", name, taken ? "taken" : "refused", err.msg);
	return ok;
}

int main(int argc, char **argv)
{
	size_t n_passed = 0;
	size_t n_failed = 0;
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	if (dir == NULL) {
		(void)fprintf(stderr, "usage: jsonsuite DIRECTORY\n");
		return 2;
	}
	for (struct dirent *d; (d = readdir(dir)) != NULL;) {
		char path[4096];
		if (strstr(d->d_name, ".json") == NULL)
			continue;
		(void)snprintf(path, sizeof path, "%s/%s", argv[1], d->d_name);
		if (check(path, d->d_name))
			n_passed++;
		else
			n_failed++;
	}
	(void)closedir(dir);
	printf("%zu passed, %zu failed\n", n_passed, n_failed);
	return n_failed == 0 && n_passed > 0 ? 0 : 1;
}
