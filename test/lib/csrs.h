/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests for tests, made by openssl req. */
#pragma once

/* /O=dev/CN=jane */
#define T_CSR_USER                                                           \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIHYMH8CAQAwHTEMMAoGA1UECgwDZGV2MQ0wCwYDVQQDDARqYW5lMFkwEwYHKoZI\n" \
	"zj0CAQYIKoZIzj0DAQcDQgAEupjYZVvGiWLX92U7wsuHxfsNO1IqpW6jKJ30n3OG\n" \
	"pjKVQKUhsZd6YY+AfpSvjmGceXGB7Mxm5WaAP/lXqx3PuqAAMAoGCCqGSM49BAMC\n" \
	"A0kAMEYCIQCkRB+lDIpI5LrRnIedqj24d/PMxU0tJoJtJfej1DXaogIhAMCpRIZe\n" \
	"7LvXCzKu3qgc49xMiIF+Q9dEmrBkD7Muciyd\n"                             \
	"-----END CERTIFICATE REQUEST-----\n"

/* /O=system:nodes/CN=system:node:n1 */
#define T_CSR_NODE                                                           \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIHqMIGSAgEAMDAxFTATBgNVBAoMDHN5c3RlbTpub2RlczEXMBUGA1UEAwwOc3lz\n" \
	"dGVtOm5vZGU6bjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASa5G2ZN6t/c6kQ\n" \
	"xjqbw4uY4qOeOoYF4JWA2/JDOoSPYgvn4B35whLWM82yUYTIGgiyC946B5JOJO35\n" \
	"CSn2gtOPoAAwCgYIKoZIzj0EAwIDRwAwRAIgNsjGzVAZ0Y/5wF8VEGGCqi6lS4JA\n" \
	"UxINhYMtAp6DdzoCIBiv1Tn+Ou6cBzJzk9zn+p4M1MJFNH1AFj0Szy5Lq4A7\n"     \
	"-----END CERTIFICATE REQUEST-----\n"

/* the same, DNS:n1, IP:10.0.0.5 */
#define T_CSR_SERVING                                                        \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIIBEDCBuAIBADAwMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFzAVBgNVBAMMDnN5\n" \
	"c3RlbTpub2RlOm4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjenorcKUSd9J\n" \
	"tn4ynh5GbQlf6XZXomyiYv5iyjcMjnCgp2JWLS19OWhWJ45CmYRQq7smmId/6SDv\n" \
	"uU2E/S8q1qAmMCQGCSqGSIb3DQEJDjEXMBUwEwYDVR0RBAwwCoICbjGHBAoAAAUw\n" \
	"CgYIKoZIzj0EAwIDRwAwRAIgWJAB9h9lrqp7To8Xu4zZZnysLZ/Gt2lN73Zyw794\n" \
	"W4QCIA1Pj3MNYNfDfXDFb0hSKoovtLjySH5xV6IzjAIBageP\n"                 \
	"-----END CERTIFICATE REQUEST-----\n"

/* the same, but DNS:kubernetes.default.svc */
#define T_CSR_SERVING_API                                                    \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIIBHzCBxgIBADAwMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFzAVBgNVBAMMDnN5\n" \
	"c3RlbTpub2RlOm4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfyTxZdvLeRd+\n" \
	"LG1PukjmensXdcxSlKzNSUpLccvUZfiu0xdIn9UH3pNCpdlaWaogGQj/BLnM8BV0\n" \
	"gbm90ILh76A0MDIGCSqGSIb3DQEJDjElMCMwIQYDVR0RBBowGIIWa3ViZXJuZXRl\n" \
	"cy5kZWZhdWx0LnN2YzAKBggqhkjOPQQDAgNIADBFAiEAyuGNTA4eth4hVTWWoZs8\n" \
	"J5dOTRNpAfdo8zatyFMytUQCIF50lUItQoQggEnXIzFiQ5lgYdKxdrs4B3EX88jQ\n" \
	"HQwk\n"                                                             \
	"-----END CERTIFICATE REQUEST-----\n"

/* the same, but DNS:n1, DNS:Kubernetes.default.svc.example.com */
#define T_CSR_SERVING_DOMAIN                                                 \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIIBLzCB1gIBADAwMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFzAVBgNVBAMMDnN5\n" \
	"c3RlbTpub2RlOm4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2Lv9Q/bKCNrc\n" \
	"V6QhA9dmMtELWAbNTyU3meCRl2YRc9jiQJu2nRM7BT7l+Ov62wmrBJ9oS2tTGIuA\n" \
	"vgCnuYNqMKBEMEIGCSqGSIb3DQEJDjE1MDMwMQYDVR0RBCowKIICbjGCIkt1YmVy\n" \
	"bmV0ZXMuZGVmYXVsdC5zdmMuZXhhbXBsZS5jb20wCgYIKoZIzj0EAwIDSAAwRQIh\n" \
	"AKBKuNOAuDFBxRaOTy35BcUZ63Mmx1NCP38uwNyrVIoJAiAYzX9i+mCFFdK/KyY8\n" \
	"8rVkPpNQfPf6jAh4gWuzrIWJ7A==\n"                                     \
	"-----END CERTIFICATE REQUEST-----\n"

/* the same, but DNS:n1, IP:127.0.0.1 */
#define T_CSR_SERVING_LOOP                                                   \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIIBEjCBuAIBADAwMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFzAVBgNVBAMMDnN5\n" \
	"c3RlbTpub2RlOm4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBHCDXMmR0LzP\n" \
	"2j0VfRLSBTkvXacgmajE9Bu9HmCd7Fc9bj8Pvhv7BbBwboli07ixuvLQKuoncpe4\n" \
	"X6gJrxgf9KAmMCQGCSqGSIb3DQEJDjEXMBUwEwYDVR0RBAwwCoICbjGHBH8AAAEw\n" \
	"CgYIKoZIzj0EAwIDSQAwRgIhAJ5nsSPDZxKkWya5ruXpBeXpEimCPiVIur59tMoM\n" \
	"vnpPAiEA4JNjzo/2YJzgr+lQxScAAV674QMTZJxqw5pXWKlYUAg=\n"             \
	"-----END CERTIFICATE REQUEST-----\n"

/* the same, but DNS:n1, IP:10.96.0.1 */
#define T_CSR_SERVING_SERVICE                                                \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIIBETCBuAIBADAwMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFzAVBgNVBAMMDnN5\n" \
	"c3RlbTpub2RlOm4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE30g/Ys7Y+A2d\n" \
	"cf6SWlqWAWOyEHyer6mzf4CAA6CzOSmmBaOXvHo2WJpAVsTJ0Pfnu7h4vNVz0RGq\n" \
	"Tjdn1V5PQKAmMCQGCSqGSIb3DQEJDjEXMBUwEwYDVR0RBAwwCoICbjGHBApgAAEw\n" \
	"CgYIKoZIzj0EAwIDSAAwRQIgJL0TxCiGV7dkPoNIlzNsq3G6n67OptQjNuYJ6hUa\n" \
	"fMMCIQDb7dQMkRZX9TAmGTN+S2354UXsDT8UZKkKqo3Dd+hxoA==\n"             \
	"-----END CERTIFICATE REQUEST-----\n"

/* the same, but DNS:other, IP:10.0.0.5 */
#define T_CSR_SERVING_NAME                                                   \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIIBFDCBuwIBADAwMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFzAVBgNVBAMMDnN5\n" \
	"c3RlbTpub2RlOm4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBz5suSMlKGpl\n" \
	"R8iwwjZfxmYpbton8xRJoKUc1N2/pBzypi4uzK7arTkYJJWFg43+WYzn6/LLDLht\n" \
	"3do3mPklI6ApMCcGCSqGSIb3DQEJDjEaMBgwFgYDVR0RBA8wDYIFb3RoZXKHBAoA\n" \
	"AAUwCgYIKoZIzj0EAwIDSAAwRQIgD+3EUlmhmVjArUtXyP2Cfktnw7GSz0JTkdYX\n" \
	"C+4GCyACIQC1eiNA8X4ECbDLhs49Vz9pg/Ho+HNH/lR81MIEiDUGhA==\n"         \
	"-----END CERTIFICATE REQUEST-----\n"

/* /O=system:masters/CN=x */
#define T_CSR_MASTERS                                                        \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIHhMIGHAgEAMCUxFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJzMQowCAYDVQQDDAF4\n" \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuXai/wdWE4pQ8gfxrTSCrJU0kTb3\n" \
	"F/PbmI4skLKw7j4r6l+FtDz//ijHzNoYMRTyicOWEgZN7vJFMLT5udbhfKAAMAoG\n" \
	"CCqGSM49BAMCA0kAMEYCIQCANGgj9IBW/UAKfUnSSjpZcI15Up9mDgMOEHUIINIH\n" \
	"8wIhAKe+vKch4j2760YHw82oDmZkod6g8dIYGQ5jh3pp/Rz2\n"                 \
	"-----END CERTIFICATE REQUEST-----\n"

/* A certificate of CN=test, good for a hundred years. */
#define T_CERTIFICATE                                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBdjCCARugAwIBAgIUA1Z9JB5jp8o5fufSp86I9WWeOBMwCgYIKoZIzj0EAwIw\n" \
	"DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjYxMzI0MThaGA8yMTI2MTEwMjEzMjQx\n" \
	"OFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBnf\n" \
	"Xklp/YtV4UfX6jkDtONyXlSFCup0Fb4sCyD52pKrGNrkeUWZwXdoRSLq0NnIp7cr\n" \
	"DbHffhyFRxeEP0BDWdajUzBRMB0GA1UdDgQWBBTyuS3IVluoBJE7qIHoKvbb2rdE\n" \
	"2zAfBgNVHSMEGDAWgBTyuS3IVluoBJE7qIHoKvbb2rdE2zAPBgNVHRMBAf8EBTAD\n" \
	"AQH/MAoGCCqGSM49BAMCA0kAMEYCIQD106kLHUq4fZn3GT73GTh0bAsCnC9T/n8N\n" \
	"9iCiD2DBGgIhAKB6pffqhB0UPyVuJTvnY6NoHYUea7j5F5j+Y+zCxU3n\n"         \
	"-----END CERTIFICATE-----\n"
