BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'memory','2025-06-11 12:00:00',1,X'7A85E4E3063A73B14541480709A45798327A71EC0770F6FC5C90A34F5F7D946E3A12736335536FDEF158F1A4F120A378',1068024);
INSERT INTO "_sqlx_migrations" VALUES(2,'many machines','2025-06-11 12:00:00',1,X'0158F7A30CC6ED56E8A7E87B64CD2B279CBFCA5CED1268ED90317F3B954581016BC8EA3CC82BFB4AFC8DF51C010F566F',916836);
INSERT INTO "_sqlx_migrations" VALUES(3,'statuses','2025-06-11 12:00:00',1,X'07CCB5D675A4FAF87C5961FB6AC96E223108618D7DDDFCDD0666D7D93FA7549B3AA26B052A40DCAF9D5F65D5C30B9F1E',213430);
INSERT INTO "_sqlx_migrations" VALUES(4,'orders','2025-06-11 12:00:00',1,X'80954CEE5FE95CC10CD3ADDD0F97DE2A71FC94F1ECF9912CFB3A574AF46E3B12678518E2C752CB8B899CCB710DCD90B8',341743);
INSERT INTO "_sqlx_migrations" VALUES(5,'witness','2025-06-11 12:00:00',1,X'94B80364C823BEE8C837129BACF5C42F550798A400AE16D2E223A847D9A3818175FAAD87C829275FB48B5E1D5EE53636',140831);
INSERT INTO "_sqlx_migrations" VALUES(6,'ordered','2025-06-11 12:00:00',1,X'0D31988D707EDF76BD119EC7A3197206B73A8955653C69448152748D60B58747BDDBD6481BAF50D5CFD1F45CFC71FE73',310766);
INSERT INTO "_sqlx_migrations" VALUES(7,'asked','2025-06-11 12:00:00',1,X'270D1FB1003B6A48F1C6E5FE36E4845CADFADB9888435F030B74C85CD949D1BAD1E8F4299C90775E046FDF20270F0A3E',457307);
CREATE TABLE blocks (
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    level       TEXT    NOT NULL,
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (customer, destination, level)
) WITHOUT ROWID;
CREATE TABLE details (
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    value       TEXT    NOT NULL,                -- JSON; null: it is to be gone
    who         TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    PRIMARY KEY (customer, destination, name)
) WITHOUT ROWID;
INSERT INTO "details" VALUES('ana','adapty','plan','{"text":"team"}','crm',1749643200462);
CREATE TABLE handovers (
    account  TEXT NOT NULL,
    customer TEXT NOT NULL,
    PRIMARY KEY (account, customer)
) WITHOUT ROWID;
CREATE TABLE inbox (
    id       TEXT    NOT NULL PRIMARY KEY,       -- source:event, or source:connect/event
    kind     TEXT    NOT NULL,
    account  TEXT,                               -- the account it rang for
    object   TEXT,                               -- the source's object it is about
    outcome  TEXT    NOT NULL CHECK (outcome IN ('rung', 'nobody', 'other_mode', 'unreadable')),
    created  INTEGER NOT NULL,
    received INTEGER NOT NULL,
    body     TEXT                                -- only with inbox.keep_bodies, and for what could not be read
) WITHOUT ROWID;
INSERT INTO "inbox" VALUES('stripe:evt_0o2mcsgkvej4zffayuu0vn7b','customer.subscription.created','stripe:cus_o9av77py6pb26w','sub_cg81q74hbbzv0ycrjnat1h6z','rung',1748822400000,1749643206091,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_155vtblg6p72w6tehxejv23c','customer.subscription.updated','stripe:cus_7tghoign9hir2k','sub_v0fm82v6enm3zpp1ixxyag2n','rung',1748793600000,1749643202596,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_3hmhxbzl0nq2yonyodsv3z6o','invoice.paid','stripe:cus_1zuuv28ad7af62','in_ct74y3mbnimkm7wez20t6e68','rung',1748818800000,1749643204818,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_6pbcgu9laex2abmap8n79u5s','invoice.paid','stripe:cus_47j8ylyany1w56','in_g1fjh5ccd9t1fubp0xu5bp5c','rung',1748811600000,1749643202716,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_6r2y8gg9dlroprc2izjkpr7i','invoice.paid','stripe:cus_o9av77py6pb26w','in_0n76a830gh37eumito6i7n72','rung',1748822400000,1749643206094,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_8id85swccss6uak04rwpe512','customer.subscription.created','stripe:cus_w34hk85a830kgn','sub_ka3njs4sd9owadihp0xikz4q','rung',1748782800000,1749643200376,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_angyzneb3gzecg5fmhsypj3e','customer.subscription.updated','stripe:cus_7tghoign9hir2k','sub_v0fm82v6enm3zpp1ixxyag2n','rung',1748797200000,1749643202619,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_azuv41u34b8brvluo0tn5l1f','customer.subscription.updated','stripe:cus_w34hk85a830kgn','sub_ka3njs4sd9owadihp0xikz4q','rung',1748782800000,1749643200396,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_cu2k1nyw2g2h8sp6o83raf6h','customer.subscription.created','stripe:cus_1zuuv28ad7af62','sub_pm8zf2nsicy88vn39h440965','rung',1748818800000,1749643204815,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_dv5di6osd7qf534anbnuau2i','charge.refunded','stripe:cus_jx5zbdmy11171h','ch_4aotm96bm115hnmp3x1e9v1y','rung',1748790000000,1749643202557,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_eaaxf6bry99yjibixmjb6t29','customer.subscription.updated','stripe:cus_jx5zbdmy11171h','sub_74j4udlx67pj1g7ljm3r571k','rung',1748786400000,1749643202535,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_fbzs0vxnaei6qc6go10p1u6u','customer.subscription.updated','stripe:cus_1zuuv28ad7af62','sub_pm8zf2nsicy88vn39h440965','rung',1748818800000,1749643204822,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_g2rzk6ows79ilf4ip2ynfq5l','customer.subscription.created','stripe:cus_47j8ylyany1w56','sub_suheylxts3p9li1zavyglj59','rung',1748811600000,1749643202713,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_gqw4suwxba9qvhyzsqdqa72d','checkout.session.completed','stripe:cus_jx5zbdmy11171h','cs_test_7sl0mi42vk1uf7ny36yr0angzl8gaph18yir8zyq15de5sfhw7uhyf8r2b','rung',1748786400000,1749643202537,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_i5z9r0urnxjth0w4ynqe237o','customer.subscription.updated','stripe:cus_o9av77py6pb26w','sub_cg81q74hbbzv0ycrjnat1h6z','rung',1748822400000,1749643206097,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_i8o7u37pyqqcymslxoxm4n2z','customer.subscription.created','stripe:cus_7tghoign9hir2k','sub_v0fm82v6enm3zpp1ixxyag2n','rung',1748793600000,1749643202583,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_ij8mjen3k597iz5bpvf0655y','customer.subscription.updated','stripe:cus_47j8ylyany1w56','sub_suheylxts3p9li1zavyglj59','rung',1748811600000,1749643202718,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_lq11zd0jvz0rp1re00menz4t','invoice.paid','stripe:cus_4lr26zqmjqra3g','in_v269g4ntiuwpd50ubptbqe4d','rung',1748804400000,1749643202670,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_m3kp7shy6mnwcab1ggrutw42','invoice.paid','stripe:cus_4lr26zqmjqra3g','in_ff4c9j4otijf0ekhr5zrvb3m','rung',1748800800000,1749643202643,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_mfx2clxpohxtr9rgiici9y23','invoice.paid','stripe:cus_jx5zbdmy11171h','in_vrhaed0gbdtcfthw8ozwcd1n','rung',1748786400000,1749643202530,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_pb9kqb7ewdexoyadha6py736','invoice.paid','stripe:cus_7tghoign9hir2k','in_jndrr2uoj9aws1zsszt30m2q','rung',1748793600000,1749643202591,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_rhjqpqfygg2jy9hcuvt0fm60','customer.subscription.deleted','stripe:cus_47j8ylyany1w56','sub_suheylxts3p9li1zavyglj59','rung',1748815200000,1749643202738,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_v0zdbkx8ozzcmze9wa2azc3v','customer.subscription.created','stripe:cus_4lr26zqmjqra3g','sub_rs67pj55owf2mib6h333pm3j','rung',1748800800000,1749643202641,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_vcdqgxd0qa9t1eaoyd3efe1w','customer.subscription.created','stripe:cus_jx5zbdmy11171h','sub_74j4udlx67pj1g7ljm3r571k','rung',1748786400000,1749643202527,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_vn1p3p0uxsc6zqtm0uxadv4m','customer.subscription.created','stripe:cus_4lr26zqmjqra3g','sub_7f73h4obdpsxztqjlnxnjo4a','rung',1748804400000,1749643202667,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_vp8l895z679krwg7v9oblx54','charge.refunded','stripe:cus_4lr26zqmjqra3g','ch_4lcs91spt34ifg5n5eb9nc4o','rung',1748808000000,1749643202691,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_xkycixel5rcwhaaw0ne7ka4z','customer.subscription.updated','stripe:cus_4lr26zqmjqra3g','sub_7f73h4obdpsxztqjlnxnjo4a','rung',1748804400000,1749643202674,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_ylxll0g1vzg6z62soxl98p19','invoice.paid','stripe:cus_w34hk85a830kgn','in_8h1s3s3biucpopr8y297b58t','rung',1748782800000,1749643200386,NULL);
INSERT INTO "inbox" VALUES('stripe:evt_yxw0asvfgy013jvjw3j7qr48','customer.subscription.updated','stripe:cus_4lr26zqmjqra3g','sub_rs67pj55owf2mib6h333pm3j','rung',1748800800000,1749643202646,NULL);
CREATE TABLE ledger (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT    NOT NULL UNIQUE,
    previous    TEXT,
    destination TEXT    NOT NULL,
    environment TEXT    NOT NULL CHECK (environment IN ('live', 'test')),
    customer    TEXT    NOT NULL,
    account     TEXT    NOT NULL,                -- the account whose look intended it
    subject     TEXT    NOT NULL,
    step        TEXT    NOT NULL,                -- JSON
    because     TEXT    NOT NULL,                -- JSON
    state       TEXT    NOT NULL CHECK (state IN ('intended', 'confirmed', 'refused', 'dropped')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL,
    intended_at INTEGER NOT NULL,
    settled_at  INTEGER,
    why         TEXT,
    CHECK ((state = 'intended') = (settled_at IS NULL)),
    CHECK (state <> 'refused' OR why IS NOT NULL)
);
INSERT INTO "ledger" VALUES(1,'5077afbd647015c7e8506b5521a3ae3e',NULL,'adapty','test','ana','stripe:cus_w34hk85a830kgn','premium','{"grant":{"level":"premium","until":{"at":"2065-06-01T15:00:00Z"},"starts_at":"2025-06-01T13:00:00Z","store":"stripe","transaction":{"original":"sub_ka3njs4sd9owadihp0xikz4q","id":"sub_ka3njs4sd9owadihp0xikz4q","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null,"standing":{"id":"sub_ka3njs4sd9owadihp0xikz4q","original":"sub_ka3njs4sd9owadihp0xikz4q","bought_at":"2025-06-01T13:00:00Z","chain_began_at":"2025-06-01T13:00:00Z","paid_until":{"at":"2065-06-01T15:00:00Z"},"renews":true,"payment_failed_at":null}},"sandbox":true}}','{"reason":"paid","chain":"sub_ka3njs4sd9owadihp0xikz4q","end":"2065-06-01T13:00:00Z"}','confirmed',1,1749643200405,1749643200405,1749643200415,NULL);
INSERT INTO "ledger" VALUES(2,'a8a4dd272bb1c99a702c318144c48ae3',NULL,'adapty','test','ana','user:fdf1607a83bde34fe73414f8','(details)','{"describe":{"details":{"plan":{"text":"team"}},"gone":[]}}','{"reason":"described"}','confirmed',1,1749643202442,1749643202442,1749643202445,NULL);
INSERT INTO "ledger" VALUES(3,'9192016e59d6edce2c191c776f09ca37',NULL,'adapty','test','ben','stripe:cus_jx5zbdmy11171h','gold','{"grant":{"level":"gold","until":{"at":"2065-06-01T16:00:00Z"},"starts_at":"2025-06-01T14:00:00Z","store":"stripe","transaction":{"original":"sub_74j4udlx67pj1g7ljm3r571k","id":"sub_74j4udlx67pj1g7ljm3r571k","product":"prod_gold","base_plan":"price_gold","price":{"minor":19900,"currency":"usd"},"offer":null,"standing":{"id":"sub_74j4udlx67pj1g7ljm3r571k","original":"sub_74j4udlx67pj1g7ljm3r571k","bought_at":"2025-06-01T14:00:00Z","chain_began_at":"2025-06-01T14:00:00Z","paid_until":{"at":"2065-06-01T16:00:00Z"},"renews":true,"payment_failed_at":null}},"sandbox":true}}','{"reason":"paid","chain":"sub_74j4udlx67pj1g7ljm3r571k","end":"2065-06-01T14:00:00Z"}','confirmed',1,1749643202539,1749643202539,1749643202544,NULL);
INSERT INTO "ledger" VALUES(4,'9bda2aeabbdbd9460db94c303aa72858','9192016e59d6edce2c191c776f09ca37','adapty','test','ben','stripe:cus_jx5zbdmy11171h','gold','{"revoke":{"level":"gold","refund":"yes","refunded":{"grant":{"level":"gold","until":{"at":"2065-06-01T16:00:00Z"},"starts_at":"2025-06-01T14:00:00Z","store":"stripe","transaction":{"original":"sub_74j4udlx67pj1g7ljm3r571k","id":"sub_74j4udlx67pj1g7ljm3r571k","product":"prod_gold","base_plan":"price_gold","price":{"minor":19900,"currency":"usd"},"offer":null,"standing":{"id":"sub_74j4udlx67pj1g7ljm3r571k","original":"sub_74j4udlx67pj1g7ljm3r571k","bought_at":"2025-06-01T14:00:00Z","chain_began_at":"2025-06-01T14:00:00Z","paid_until":{"at":"2065-06-01T14:00:00Z"},"renews":false,"payment_failed_at":null}},"sandbox":true},"at":"2025-06-11T12:00:02.569863625Z"}}}','{"reason":"refunded","payment":"in_vrhaed0gbdtcfthw8ozwcd1n"}','confirmed',1,1749643202570,1749643202570,1749643202575,NULL);
INSERT INTO "ledger" VALUES(5,'27a78ee2743a2679e2e817416489ea59',NULL,'adapty','test','cleo','stripe:cus_7tghoign9hir2k','premium','{"grant":{"level":"premium","until":{"at":"2065-06-01T18:00:00Z"},"starts_at":"2025-06-01T16:00:00Z","store":"stripe","transaction":{"original":"sub_v0fm82v6enm3zpp1ixxyag2n","id":"sub_v0fm82v6enm3zpp1ixxyag2n","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null,"standing":{"id":"sub_v0fm82v6enm3zpp1ixxyag2n","original":"sub_v0fm82v6enm3zpp1ixxyag2n","bought_at":"2025-06-01T16:00:00Z","chain_began_at":"2025-06-01T16:00:00Z","paid_until":{"at":"2065-06-01T18:00:00Z"},"renews":true,"payment_failed_at":null}},"sandbox":true}}','{"reason":"paid","chain":"sub_v0fm82v6enm3zpp1ixxyag2n","end":"2065-06-01T16:00:00Z"}','confirmed',1,1749643202599,1749643202599,1749643202604,NULL);
INSERT INTO "ledger" VALUES(6,'79f17be14f8f34ccf870b3f3f74c2404','27a78ee2743a2679e2e817416489ea59','adapty','test','cleo','stripe:cus_7tghoign9hir2k','premium','{"grant":{"level":"premium","until":{"at":"2065-06-01T16:00:00Z"},"starts_at":"2025-06-01T16:00:00Z","store":"stripe","transaction":{"original":"sub_v0fm82v6enm3zpp1ixxyag2n","id":"sub_v0fm82v6enm3zpp1ixxyag2n","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null,"standing":{"id":"sub_v0fm82v6enm3zpp1ixxyag2n","original":"sub_v0fm82v6enm3zpp1ixxyag2n","bought_at":"2025-06-01T16:00:00Z","chain_began_at":"2025-06-01T16:00:00Z","paid_until":{"at":"2065-06-01T16:00:00Z"},"renews":false,"stopped_at":"2025-06-01T17:00:00Z","stop":"asked","payment_failed_at":null}},"sandbox":true}}','{"reason":"paid_and_ends","chain":"sub_v0fm82v6enm3zpp1ixxyag2n","end":"2065-06-01T16:00:00Z"}','confirmed',1,1749643202626,1749643202626,1749643202629,NULL);
INSERT INTO "ledger" VALUES(7,'87197c9eea71f175524119f54cc0d40c',NULL,'adapty','test','dot','stripe:cus_4lr26zqmjqra3g','premium','{"grant":{"level":"premium","until":{"at":"2065-06-01T20:00:00Z"},"starts_at":"2025-06-01T18:00:00Z","store":"stripe","transaction":{"original":"sub_rs67pj55owf2mib6h333pm3j","id":"sub_rs67pj55owf2mib6h333pm3j","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null,"standing":{"id":"sub_rs67pj55owf2mib6h333pm3j","original":"sub_rs67pj55owf2mib6h333pm3j","bought_at":"2025-06-01T18:00:00Z","chain_began_at":"2025-06-01T18:00:00Z","paid_until":{"at":"2065-06-01T20:00:00Z"},"renews":true,"payment_failed_at":null}},"sandbox":true}}','{"reason":"paid","chain":"sub_rs67pj55owf2mib6h333pm3j","end":"2065-06-01T18:00:00Z"}','confirmed',1,1749643202650,1749643202650,1749643202655,NULL);
INSERT INTO "ledger" VALUES(8,'05de0ee6eee1408ac3b5883017a5522b',NULL,'adapty','test','dot','stripe:cus_4lr26zqmjqra3g','(books) sub_7f73h4obdpsxztqjlnxnjo4a prod_premium','{"report":{"subject":"(books) sub_7f73h4obdpsxztqjlnxnjo4a prod_premium","grant":{"level":"premium","until":{"at":"2045-06-01T21:00:00Z"},"starts_at":"2025-06-01T19:00:00Z","store":"stripe","transaction":{"original":"sub_7f73h4obdpsxztqjlnxnjo4a","id":"sub_7f73h4obdpsxztqjlnxnjo4a","product":"prod_premium","base_plan":"price_short","price":{"minor":5000,"currency":"usd"},"offer":null,"standing":{"id":"sub_7f73h4obdpsxztqjlnxnjo4a","original":"sub_7f73h4obdpsxztqjlnxnjo4a","bought_at":"2025-06-01T19:00:00Z","chain_began_at":"2025-06-01T19:00:00Z","paid_until":{"at":"2045-06-01T21:00:00Z"},"renews":true,"payment_failed_at":null}},"sandbox":true}}}','{"reason":"paid","chain":"sub_7f73h4obdpsxztqjlnxnjo4a","end":"2045-06-01T19:00:00Z"}','confirmed',1,1749643202674,1749643202674,1749643202678,NULL);
INSERT INTO "ledger" VALUES(9,'013810f2719e457c57c1b097b50618f4','05de0ee6eee1408ac3b5883017a5522b','adapty','test','dot','stripe:cus_4lr26zqmjqra3g','(books) sub_7f73h4obdpsxztqjlnxnjo4a prod_premium','{"report":{"subject":"(books) sub_7f73h4obdpsxztqjlnxnjo4a prod_premium","grant":{"level":"premium","until":{"at":"2045-06-01T21:00:00Z"},"starts_at":"2025-06-01T19:00:00Z","store":"stripe","transaction":{"original":"sub_7f73h4obdpsxztqjlnxnjo4a","id":"sub_7f73h4obdpsxztqjlnxnjo4a","product":"prod_premium","base_plan":"price_short","price":{"minor":5000,"currency":"usd"},"offer":null,"standing":{"id":"sub_7f73h4obdpsxztqjlnxnjo4a","original":"sub_7f73h4obdpsxztqjlnxnjo4a","bought_at":"2025-06-01T19:00:00Z","chain_began_at":"2025-06-01T19:00:00Z","paid_until":{"at":"2045-06-01T21:00:00Z"},"renews":true,"payment_failed_at":null}},"sandbox":true},"refunded_at":"2025-06-11T12:00:02.698264854Z"}}','{"reason":"refunded","payment":"in_v269g4ntiuwpd50ubptbqe4d"}','confirmed',1,1749643202698,1749643202698,1749643202701,NULL);
INSERT INTO "ledger" VALUES(10,'78ed3456b1f17697f405b51648ee2a69',NULL,'adapty','test','fay','stripe:cus_47j8ylyany1w56','gold','{"grant":{"level":"gold","until":{"at":"2065-06-01T23:00:00Z"},"starts_at":"2025-06-01T21:00:00Z","store":"stripe","transaction":{"original":"sub_suheylxts3p9li1zavyglj59","id":"sub_suheylxts3p9li1zavyglj59","product":"prod_gold","base_plan":"price_gold","price":{"minor":19900,"currency":"usd"},"offer":null,"standing":{"id":"sub_suheylxts3p9li1zavyglj59","original":"sub_suheylxts3p9li1zavyglj59","bought_at":"2025-06-01T21:00:00Z","chain_began_at":"2025-06-01T21:00:00Z","paid_until":{"at":"2065-06-01T23:00:00Z"},"renews":true,"payment_failed_at":null}},"sandbox":true}}','{"reason":"paid","chain":"sub_suheylxts3p9li1zavyglj59","end":"2065-06-01T21:00:00Z"}','confirmed',1,1749643202722,1749643202722,1749643202727,NULL);
INSERT INTO "ledger" VALUES(11,'da27e7b0bd08497ce4ad9807d8ceac06','78ed3456b1f17697f405b51648ee2a69','adapty','test','fay','stripe:cus_47j8ylyany1w56','gold','{"revoke":{"level":"gold","refund":"no","ended":{"level":"gold","until":{"at":"2065-06-01T23:00:00Z"},"starts_at":"2025-06-01T21:00:00Z","store":"stripe","transaction":{"original":"sub_suheylxts3p9li1zavyglj59","id":"sub_suheylxts3p9li1zavyglj59","product":"prod_gold","base_plan":"price_gold","price":{"minor":19900,"currency":"usd"},"offer":null,"standing":{"id":"sub_suheylxts3p9li1zavyglj59","original":"sub_suheylxts3p9li1zavyglj59","bought_at":"2025-06-01T21:00:00Z","chain_began_at":"2025-06-01T21:00:00Z","paid_until":{"at":"2065-06-01T23:00:00Z"},"renews":false,"stopped_at":"2025-06-01T22:00:00Z","stop":"asked","payment_failed_at":null}},"sandbox":true}}}','{"reason":"ended","chain":"sub_suheylxts3p9li1zavyglj59","at":"2025-06-01T22:00:00Z"}','confirmed',1,1749643202746,1749643202746,1749643202751,NULL);
INSERT INTO "ledger" VALUES(12,'8169930f781ba777bf9701228030f523',NULL,'adapty','test','eve','user:33bd1da1107396ac04f7e526','premium','{"grant":{"level":"premium","until":{"at":"2090-01-01T00:00:00Z"},"starts_at":null,"store":"adapty","transaction":{"original":"promo_1","id":"promo_1","product":"adapty_server_side_product","base_plan":"","price":null,"offer":null},"sandbox":true}}','{"reason":"promotion","promotion":"promo_1","until":{"at":"2090-01-01T00:00:00Z"}}','confirmed',1,1749643204758,1749643204758,1749643204763,NULL);
INSERT INTO "ledger" VALUES(13,'c088a93fc4b1705520b92a49c20b2afc',NULL,'adapty','test','hal','stripe:cus_1zuuv28ad7af62','premium','{"grant":{"level":"premium","until":{"at":"2065-06-02T01:00:00Z"},"starts_at":"2025-06-01T23:00:00Z","store":"stripe","transaction":{"original":"sub_pm8zf2nsicy88vn39h440965","id":"sub_pm8zf2nsicy88vn39h440965","product":"prod_premium","base_plan":"price_premium","price":{"minor":9900,"currency":"usd"},"offer":null,"standing":{"id":"sub_pm8zf2nsicy88vn39h440965","original":"sub_pm8zf2nsicy88vn39h440965","bought_at":"2025-06-01T23:00:00Z","chain_began_at":"2025-06-01T23:00:00Z","paid_until":{"at":"2065-06-02T01:00:00Z"},"renews":true,"payment_failed_at":null}},"sandbox":true}}','{"reason":"paid","chain":"sub_pm8zf2nsicy88vn39h440965","end":"2065-06-01T23:00:00Z"}','intended',2,1749643208504,1749643204824,NULL,'reporting the transaction at adapty: answered 500 (status 500, `internal`)');
INSERT INTO "ledger" VALUES(15,'75d5cf8d36c847cc3b9d024aed3d3e20',NULL,'adapty','test','gus','stripe:cus_o9av77py6pb26w','gold','{"grant":{"level":"gold","until":{"at":"2065-06-02T02:00:00Z"},"starts_at":"2025-06-02T00:00:00Z","store":"stripe","transaction":{"original":"sub_cg81q74hbbzv0ycrjnat1h6z","id":"sub_cg81q74hbbzv0ycrjnat1h6z","product":"prod_gold","base_plan":"price_gold","price":{"minor":19900,"currency":"usd"},"offer":null,"standing":{"id":"sub_cg81q74hbbzv0ycrjnat1h6z","original":"sub_cg81q74hbbzv0ycrjnat1h6z","bought_at":"2025-06-02T00:00:00Z","chain_began_at":"2025-06-02T00:00:00Z","paid_until":{"at":"2065-06-02T02:00:00Z"},"renews":true,"payment_failed_at":null}},"sandbox":true}}','{"reason":"paid","chain":"sub_cg81q74hbbzv0ycrjnat1h6z","end":"2065-06-02T00:00:00Z"}','intended',0,1749643206100,1749643206100,NULL,NULL);
CREATE TABLE limits (
    name       TEXT    NOT NULL PRIMARY KEY,     -- upstream:hash of its key
    full_at    INTEGER NOT NULL,                 -- microseconds since 1970
    held_until INTEGER NOT NULL DEFAULT 0        -- the upstream asked to be left alone until then
) WITHOUT ROWID;
CREATE TABLE links (
    account   TEXT    NOT NULL PRIMARY KEY,
    customer  TEXT    NOT NULL,
    origin    TEXT    NOT NULL,                  -- a source of identity.user_id, or operator
    learnt_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "links" VALUES('stripe:cus_1zuuv28ad7af62','hal','subscription.metadata.customer_user_id',1749643204820);
INSERT INTO "links" VALUES('stripe:cus_47j8ylyany1w56','fay','subscription.metadata.customer_user_id',1749643202719);
INSERT INTO "links" VALUES('stripe:cus_4lr26zqmjqra3g','dot','subscription.metadata.customer_user_id',1749643202647);
INSERT INTO "links" VALUES('stripe:cus_7tghoign9hir2k','cleo','subscription.metadata.customer_user_id',1749643202595);
INSERT INTO "links" VALUES('stripe:cus_jx5zbdmy11171h','ben','checkout_session.client_reference_id',1749643202533);
INSERT INTO "links" VALUES('stripe:cus_o9av77py6pb26w','gus','subscription.metadata.customer_user_id',1749643206096);
INSERT INTO "links" VALUES('stripe:cus_w34hk85a830kgn','ana','subscription.metadata.customer_user_id',1749643200393);
INSERT INTO "links" VALUES('user:33bd1da1107396ac04f7e526','eve','operator',1749643202762);
INSERT INTO "links" VALUES('user:fdf1607a83bde34fe73414f8','ana','operator',1749643200462);
CREATE TABLE notes (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "notes" VALUES('apps','["adapty"]');
INSERT INTO "notes" VALUES('catalog','[[{"sold":{"product":"prod_premium"},"level":"premium","vendor_product_id":null,"term":null},{"sold":{"product":"prod_gold"},"level":"gold","vendor_product_id":null,"term":null},{"sold":{"price":"price_basic"},"level":"platinum","vendor_product_id":null,"term":null},{"sold":{"price":"price_life"},"level":"gold","vendor_product_id":null,"term":"lifetime"}]]');
INSERT INTO "notes" VALUES('catch_up','2025-06-11T12:00:00.320416860+00:00');
INSERT INTO "notes" VALUES('clean_up','2025-06-11T12:00:00.342138426+00:00');
INSERT INTO "notes" VALUES('clean_up of ledger','0');
INSERT INTO "notes" VALUES('rounds since','2025-06-11T12:00:00.342960290+00:00');
CREATE TABLE orders (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    kind        TEXT    NOT NULL,                -- grant, revoke, block, unblock, describe, forget
    subject     TEXT    NOT NULL,                -- the level, or the names of details
    promotion   INTEGER,                         -- of a grant
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    ordered_at  INTEGER NOT NULL
);
INSERT INTO "orders" VALUES(1,'ana','adapty','describe','plan',NULL,'crm','',1749643200462);
INSERT INTO "orders" VALUES(2,'eve','adapty','grant','premium',1,'anna','campaign',1749643202762);
CREATE TABLE parked (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT    NOT NULL,
    account  TEXT    NOT NULL,
    customer TEXT,
    subject  TEXT    NOT NULL,
    reason   TEXT    NOT NULL,
    hint     TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    dropped  TEXT,                               -- why an operator dropped it
    UNIQUE (kind, account, subject)
);
CREATE TABLE promotions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    customer    TEXT    NOT NULL,
    destination TEXT    NOT NULL,
    level       TEXT    NOT NULL,
    until       INTEGER,                         -- NULL: for life
    request     TEXT    UNIQUE,                  -- whoever asks twice under one id is given once
    who         TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    given_at    INTEGER NOT NULL,
    ended_at    INTEGER,                         -- an operator ended it before its time
    ended_by    TEXT,
    ended_why   TEXT,
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
INSERT INTO "promotions" VALUES(1,'eve','adapty','premium',3786912000000,NULL,'anna','campaign',1749643202762,NULL,NULL,NULL);
CREATE TABLE statuses (
    customer TEXT    NOT NULL PRIMARY KEY,
    status   TEXT    NOT NULL,                   -- JSON
    as_of    INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "statuses" VALUES('ana','{"levels":[{"level":"premium","until":{"at":"2065-06-01T15:00:00Z"},"will_renew":true,"in_grace":false,"billing_issue":false,"store":"stripe","because":"`sub_ka3njs4sd9owadihp0xikz4q` is paid to 2065-06-01T13:00:00Z and renews"}],"double_subscription":false}',1749643202445);
INSERT INTO "statuses" VALUES('ben','{"levels":[{"level":"gold","until":null,"will_renew":false,"in_grace":false,"billing_issue":false,"store":null,"because":"`in_vrhaed0gbdtcfthw8ozwcd1n` was refunded in full"}],"double_subscription":false}',1749643202575);
INSERT INTO "statuses" VALUES('cleo','{"levels":[{"level":"premium","until":{"at":"2065-06-01T16:00:00Z"},"will_renew":false,"in_grace":false,"billing_issue":false,"store":"stripe","because":"`sub_v0fm82v6enm3zpp1ixxyag2n` is paid to 2065-06-01T16:00:00Z and ends then"}],"double_subscription":false}',1749643202629);
INSERT INTO "statuses" VALUES('dot','{"levels":[{"level":"premium","until":{"at":"2065-06-01T20:00:00Z"},"will_renew":true,"in_grace":false,"billing_issue":false,"store":"stripe","because":"`sub_rs67pj55owf2mib6h333pm3j` is paid to 2065-06-01T18:00:00Z and renews"}],"double_subscription":false}',1749643202701);
INSERT INTO "statuses" VALUES('eve','{"levels":[{"level":"premium","until":{"at":"2090-01-01T00:00:00Z"},"will_renew":false,"in_grace":false,"billing_issue":false,"store":"adapty","because":"promotion `promo_1`, lasting until 2090-01-01T00:00:00Z"}],"double_subscription":false}',1749643204763);
INSERT INTO "statuses" VALUES('fay','{"levels":[{"level":"gold","until":null,"will_renew":false,"in_grace":false,"billing_issue":false,"store":null,"because":"`sub_suheylxts3p9li1zavyglj59` ended at 2025-06-01T22:00:00Z"}],"double_subscription":false}',1749643202751);
INSERT INTO "statuses" VALUES('hal','{"levels":[{"level":"premium","until":{"at":"2065-06-02T01:00:00Z"},"will_renew":true,"in_grace":false,"billing_issue":false,"store":"stripe","because":"`sub_pm8zf2nsicy88vn39h440965` is paid to 2065-06-01T23:00:00Z and renews"}],"double_subscription":false}',1749643206064);
CREATE TABLE turns (
    task        TEXT    NOT NULL PRIMARY KEY,
    owner       TEXT    NOT NULL,
    lease_until INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "turns" VALUES('clean_up','28656-dddbe3b406b12d69',1749643200344);
INSERT INTO "turns" VALUES('round','28656-dddbe3b406b12d69',1749643200344);
INSERT INTO "turns" VALUES('worker 28656-dddbe3b406b12d69','28656-dddbe3b406b12d69',1749643216340);
CREATE TABLE witnessed (
    customer TEXT    NOT NULL PRIMARY KEY,
    levels   TEXT    NOT NULL,                   -- JSON
    as_of    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE worklist (
    account     TEXT    NOT NULL PRIMARY KEY,
    customer    TEXT,                            -- the app user it belongs to, once known
    due_at      INTEGER,                         -- NULL: at rest
    class       INTEGER NOT NULL DEFAULT 0 CHECK (class IN (0, 1, 2)),   -- 0 fresh, 1 again, 2 bulk
    generation  INTEGER NOT NULL DEFAULT 0,      -- raised by bells; a look that was overtaken by one leaves the account due
    rung_at     INTEGER,                         -- the first bell not yet answered by a look
    lease       TEXT,
    lease_until INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,      -- looks that failed in a row
    failing_since INTEGER,                       -- when the first of them failed
    trouble     TEXT,                            -- why the last look failed
    settled_at  INTEGER, asked INTEGER NOT NULL DEFAULT 0 CHECK (asked IN (0, 1)),                         -- when the last look ended well
    CHECK ((lease IS NULL) = (lease_until IS NULL))
) WITHOUT ROWID;
INSERT INTO "worklist" VALUES('stripe:cus_1zuuv28ad7af62','hal',1749643208504,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643206064,0);
INSERT INTO "worklist" VALUES('stripe:cus_47j8ylyany1w56','fay',3011122800000,1,4,NULL,NULL,NULL,0,NULL,NULL,1749643202751,0);
INSERT INTO "worklist" VALUES('stripe:cus_4lr26zqmjqra3g','dot',1749643232698,1,7,NULL,NULL,NULL,0,NULL,NULL,1749643202701,0);
INSERT INTO "worklist" VALUES('stripe:cus_7tghoign9hir2k','cleo',3011097600000,1,4,NULL,NULL,NULL,0,NULL,NULL,1749643202629,0);
INSERT INTO "worklist" VALUES('stripe:cus_jx5zbdmy11171h','ben',3011097600000,1,5,NULL,NULL,NULL,0,NULL,NULL,1749643202575,0);
INSERT INTO "worklist" VALUES('stripe:cus_o9av77py6pb26w','gus',1749643206091,0,3,1749643206091,'28656-dddbe3b406b12d69/22',1749643214341,0,NULL,NULL,NULL,0);
INSERT INTO "worklist" VALUES('stripe:cus_w34hk85a830kgn','ana',3011094000000,1,3,NULL,NULL,NULL,0,NULL,NULL,1749643200425,0);
INSERT INTO "worklist" VALUES('user:33bd1da1107396ac04f7e526','eve',3786912000000,1,1,NULL,NULL,NULL,0,NULL,NULL,1749643204763,0);
INSERT INTO "worklist" VALUES('user:fdf1607a83bde34fe73414f8','ana',3011094000000,1,1,NULL,NULL,NULL,0,NULL,NULL,1749643202445,0);
CREATE INDEX inbox_account ON inbox (account, received) WHERE account IS NOT NULL;
CREATE INDEX worklist_due ON worklist (class, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX worklist_leased ON worklist (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX worklist_failing ON worklist (account) WHERE attempts > 0;
CREATE INDEX worklist_customer ON worklist (customer) WHERE customer IS NOT NULL;
CREATE INDEX links_customer ON links (customer);
CREATE INDEX ledger_customer ON ledger (customer, destination, environment, subject, seq);
CREATE INDEX ledger_open ON ledger (account) WHERE state = 'intended';
CREATE INDEX parked_account ON parked (account);
CREATE INDEX inbox_received ON inbox (received);
CREATE INDEX promotions_customer ON promotions (customer, destination);
CREATE INDEX orders_customer ON orders (customer, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('orders',2);
INSERT INTO "sqlite_sequence" VALUES('ledger',15);
INSERT INTO "sqlite_sequence" VALUES('promotions',1);
COMMIT;
