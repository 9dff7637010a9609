/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

static const cli_verb verbs[] = {
	{"apiserver", "serve the Kubernetes API", cli_apiserver},
	{"dns", "serve the cluster's names", cli_dns},
	{"doctor", "say whether this machine can run everything", cli_doctor},
	{"controllers", "run the controllers", cli_controllers},
	{"down", "stop every role of this machine", cli_down},
	{"keys", "hold the keys that sign tokens and certificates", cli_keys},
	{"node", "run the pods of this machine", cli_node},
	{"scheduler", "place pods on nodes; 'simulate' decides about a snapshot", cli_scheduler},
	{"server", "run every role of this machine", cli_server},
	{"service-proxy", "send traffic for services to their pods, on this node", cli_service_proxy},
	{"snapshot", "copies of the API server's store: save, list, restore", cli_snapshot},
	{"status", "show the roles of this machine", cli_status},
	{"image", "images of this node: pull, import, export, list, remove, prune", cli_image},
	{"up", "start everything, with a sample to look at", cli_up},
	{"cri", "run containers for a kubelet, over CRI", cli_cri},
	{"version", "print the version of sampan and of the Kubernetes API it serves", cli_version},
};

#define NAME_MAX_BYTES 48u

size_t cli_distance(sp_str a, sp_str b)
{
	size_t rows[3][NAME_MAX_BYTES + 1];
	if (a.len > NAME_MAX_BYTES || b.len > NAME_MAX_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *now = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3];
		const size_t *two_above = rows[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t best = above[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
			best = SP_MIN(best, above[j] + 1);
			best = SP_MIN(best, now[j - 1] + 1);
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
				best = SP_MIN(best, two_above[j - 2] + 1);
			now[j] = best;
		}
	}
	return rows[a.len % 3][b.len];
}

const cli_verb *cli_nearest(sp_str name)
{
	const cli_verb *nearest = NULL;
	size_t best = 3; /* further away is a guess, not a typing error */
	for (size_t i = 0; i < SP_LEN(verbs); i++) {
		size_t d = cli_distance(name, sp_str_c(verbs[i].name));
		if (d < best && d < strlen(verbs[i].name)) {
			best = d;
			nearest = &verbs[i];
		}
	}
	return nearest;
}

static int help(void)
{
	printf("Usage: sampan VERB [FLAGS]\n\nVerbs:\n");
	for (size_t i = 0; i < SP_LEN(verbs); i++)
		printf("  %-12s %s\n", verbs[i].name, verbs[i].summary);
	return 0;
}

bool cli_is_help(const char *arg)
{
	return strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0 || strcmp(arg, "help") == 0;
}

int cli_main(int argc, char **argv)
{
	if (argc < 2) {
		(void)fprintf(stderr, "sampan: no verb given; 'sampan --help' lists them\n");
		return CLI_EXIT_USAGE;
	}
	if (cli_is_help(argv[1]))
		return help();
	for (size_t i = 0; i < SP_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, argv[1]) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	}
	const cli_verb *nearest = cli_nearest(sp_str_c(argv[1]));
	if (nearest != NULL)
		(void)fprintf(stderr, "sampan: unknown verb '%s'; did you mean '%s'?\n", argv[1],
			      nearest->name);
	else
		(void)fprintf(stderr, "sampan: unknown verb '%s'; 'sampan --help' lists them\n", argv[1]);
	return CLI_EXIT_USAGE;
}
