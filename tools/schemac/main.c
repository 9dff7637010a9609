/* SPDX-License-Identifier: Apache-2.0 */
/* schemac -o OUTPUT FILE.sch …: constant tables of all kinds. Writes OUTPUT only when everything is right. */
#include "schemac.h"

#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	if (argc < 4 || strcmp(argv[1], "-o") != 0) {
		(void)fputs("usage: schemac -o OUTPUT FILE.sch ...\n", stderr);
		return 2;
	}
	model m = {0};
	for (int i = 3; i < argc; i++)
		parse_file(&m, argv[i]);
	check_model(&m);
	char *tmp = join(argv[2], ".tmp", "");
	pos at = {argv[2], 0};
	FILE *out = fopen(tmp, "w");
	if (out == NULL)
		fail(at, "cannot write");
	emit_model(&m, out);
	if (ferror(out) != 0 || fclose(out) != 0 || rename(tmp, argv[2]) != 0)
		fail(at, "cannot write");
	return EXIT_SUCCESS;
}
