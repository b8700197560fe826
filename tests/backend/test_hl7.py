"""HL7 v2: what laboratories' systems send is read right or refused by name, and the answer says which and where."""

import asyncio
import ipaddress
import signal
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import hl7
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hl7.mllp import open_hl7_connection
from sqlalchemy import select

from backend.access.roles import DeviceKind, DeviceState
from backend.db.engine import Database
from backend.db.tables import audit_values, lab_reports, lab_results
from backend.mllp import BindNotSafe, SenderOut, Wire, sender_of, serve_mllp
from backend.services.manage_devices import add_device, set_device_state
from backend.services.receive_report import Laboratory
from backend.services.specimen_barcode import new_barcode
from backend.wire.hl7 import read_message
from backend.wire.lab_line import to_line
from pallor.errors import Refused
from pallor.lab import Performer, Specimen
from pallor.reported import ReportStatus
from pallor.subject import Sex
from tests.support.api import let_in
from tests.support.clock import HandClock
from tests.support.hl7 import PATIENT, a_message, obx
from tests.support.valkey import free_port

TUBE = new_barcode()
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
NOW = datetime(2026, 11, 2, tzinfo=UTC)


def test_a_message_is_read_with_all_that_says_what_and_whose_it_is():
    line = the_line(a_message(obx(tail="||||||SYSMEX^Fluorescence|XN-350"), tube=TUBE))
    assert (line.hb.value, line.hb.unit, line.loinc, line.status) == ("10.4", "g/dL", "718-7", ReportStatus.FINAL)
    assert (line.specimen, line.performer) == (Specimen.VENOUS, Performer.LABORATORY)
    assert (line.method, line.device) == ("Fluorescence", "XN-350")
    assert (line.taken_at.hour, line.resulted_at.hour, line.resulted_at.minute) == (13, 13, 30)
    assert (line.barcode, line.subject_code, line.sex, line.age_months) == (TUBE, "A-017", Sex.FEMALE, (30, 30))


@pytest.mark.parametrize(
    ("result", "value", "unit", "g_per_l"),
    [
        (obx("104", unit="g/L"), "104", "g/L", "104.0"),
        (obx("10.4", unit="gm/dL"), "10.4", "gm/dL", "104.0"),
        (obx("10.4", unit="g%^g per 100 mL^L"), "10.4", "g%", "104.0"),
        (obx("6.45", unit="mmol/L", code="59260-0^Hb^LN"), "6.45", "mmol/L", "103.93"),
        (obx("^10.4", kind="SN"), "10.4", "g/dL", "104.0"),
        (obx("10.40", kind="ST"), "10.40", "g/dL", "104.0"),
        (obx(code="HGB^Haemoglobin^L^718-7^Hemoglobin^LN"), "10.4", "g/dL", "104.0"),
        (obx("10\\X2E\\4"), "10.4", "g/dL", "104.0"),
        (obx(unit="g\\X2F\\dL"), "10.4", "g/dL", "104.0"),
    ],
)
def test_a_value_is_read_as_it_was_reported(result, value, unit, g_per_l):
    line = the_line(a_message(result, tube=TUBE))
    assert (line.hb.value, line.hb.unit, str(line.hb.g_per_l)) == (value, unit, g_per_l)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (obx(unit=""), "hb-unit-missing"),
        (obx("<7.0"), "hb-only-a-bound"),
        (obx(">^20", kind="SN"), "hb-only-a-bound"),
        (obx("<^7", kind="SN"), "hb-only-a-bound"),
        (obx("10.4^:^1", kind="SN"), "hb-not-a-number"),
        (obx("^1^-^2", kind="SN"), "hb-not-a-number"),
        (obx("^10^.^4", kind="SN"), "hb-not-a-number"),
        (obx("10.4~11.2"), "hb-not-a-number"),
        (obx("10^4"), "hb-not-a-number"),
        (obx("10&4"), "hb-not-a-number"),
        (obx().replace("|L|", "|L~<|"), "hb-only-a-bound"),
        (obx(unit="g/dL^grams per litre^UCUM^g/L^^L"), "units-differ"),
        (obx(unit="g/L~g/dL"), "units-differ"),
        (obx(code="718-7^Hemoglobin^LN^4548-4^HbA1c^LN"), "not-haemoglobin"),
        (obx("see note", kind="ST"), "hb-not-a-number"),
        (obx(""), "value-missing"),
        (obx(unit="mmol/L"), "loinc-unit-mismatch"),
        (obx(code="59260-0^Hb^LN"), "loinc-unit-mismatch"),
        (obx(unit="G/L"), "hb-unit-unknown"),
        (obx(unit="10\\S\\9/L"), "hb-unit-unknown"),
        (obx("104"), "hb-implausible"),
        (obx(status="P"), "not-final"),
        (obx(status=""), "not-final"),
        (obx(code="30352-9^Hb capillary^LN"), "specimen-contradicted"),
    ],
)
def test_what_is_no_value_is_refused_by_name(result, code):
    assert refusals(a_message(result, tube=TUBE)) == [code]


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (obx("6.1", unit="%", code="4548-4^HbA1c^LN"), "not-haemoglobin"),
        (obx("33", code="786-4^MCHC^LN"), "not-haemoglobin"),
        (obx(code="HGB^Haemoglobin^L"), "not-a-haemoglobin"),
        (obx(code="718-7^Hemoglobin^L"), "not-a-haemoglobin"),
    ],
)
def test_a_message_without_a_haemoglobin_is_refused_and_a_look_alike_by_its_name(result, code):
    assert refusals(a_message(result, tube=TUBE)) == [code]


def test_of_a_blood_count_only_the_haemoglobin_is_looked_at():
    count = (obx("38", unit="%", code="4544-3^Hct^LN"), obx(number=2), obx("7", unit="10*9/L", code="6690-2^WBC^LN"))
    assert the_line(a_message(*count, tube=TUBE)).hb.value == "10.4"


def test_a_repeated_result_is_one_and_two_that_differ_are_a_question():
    assert the_line(a_message(obx(), obx(number=2), tube=TUBE)).hb.value == "10.4"
    assert refusals(a_message(obx(), obx("11.2", number=2), tube=TUBE)) == ["two-values", "two-values"]
    assert refusals(a_message(obx(), obx("11.2", number=2, status="C"), tube=TUBE)) == [None, None]


def test_a_result_of_two_tubes_is_neithers():
    first = a_message(obx(), tube=TUBE)
    assert refusals(first + f"SPM|2|{new_barcode()}||BLDV\r") == ["named-twice"]
    assert refusals(a_message(obx(), tube=TUBE, case_id=new_barcode())) == ["named-twice"]


@pytest.mark.parametrize("part", "|^~&")
def test_a_message_of_a_million_parts_is_not_taken_apart(part):
    assert refusals(a_message(obx(part * 100_000), tube=TUBE)) == ["message-unreadable"]


def test_of_two_messages_at_once_neither_is_read():
    assert refusals(a_message(obx(), tube=TUBE) + a_message(obx("9.9"), mode="T")) == ["message-unreadable"]


@pytest.mark.parametrize(
    ("status", "read"), [("C", "corrected"), ("D", "entered-in-error"), ("W", "entered-in-error"), ("X", "cancelled")]
)
def test_a_results_status_is_read(status, read):
    assert the_line(a_message(obx(status=status), tube=TUBE)).status == read


def test_a_rejected_specimen_is_an_answer():
    line = the_line(a_message(spm=f"SPM|1|{TUBE}||BLDV" + "|" * 17 + "RH^Hemolysis^HL70490"))
    assert (line.status, line.rejection, line.barcode) == (ReportStatus.SPECIMEN_REJECTED, "haemolysed", TUBE)


def test_blood_from_a_finger_and_what_is_no_blood():
    assert the_line(a_message(obx(), spm=f"SPM|1|{TUBE}||BLDC")).specimen is Specimen.CAPILLARY
    assert refusals(a_message(obx(), spm=f"SPM|1|{TUBE}||UR^Urine")) == ["not-blood"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_segments_end_as_systems_end_them(ending):
    assert the_line(a_message(obx(), tube=TUBE).replace("\r", ending)).barcode == TUBE


@pytest.mark.parametrize(
    ("charset", "codec"), [("8859/1", "latin-1"), ("UNICODE UTF-8", "utf-8"), ("", "latin-1"), ("", "utf-8")]
)
def test_a_name_with_accents_is_no_obstacle_in_any_character_set(charset, codec):
    text = a_message(obx(), tube=TUBE, pid=PATIENT.replace("AMINA", "Abéna Ñ"), charset=charset)
    assert the_line(text.encode(codec)).barcode == TUBE


def test_times_without_a_zone_are_the_laboratorys_own():
    text = a_message(obx(), tube=TUBE).replace("+0000", "")
    (found,) = read_message(text.encode(), ZoneInfo("Africa/Nairobi"))
    assert found.given.taken_at == datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "message-unreadable"),
        (b"MSH|", "message-unreadable"),
        (b"MSH||||||", "message-unsupported"),
        (b"\x00\xff" * 50, "message-unreadable"),
        (b"PID|1||x\rOBX|1", "message-unreadable"),
        (a_message(obx(), charset="UNICODE UTF-8").encode() + b"NTE|1||\xff\r", "message-unreadable"),
        (a_message(obx(), charset="ISO IR87").encode(), "message-unreadable"),
        (a_message(obx(), kind="ADT^A01").encode(), "message-unsupported"),
        (a_message(obx(), mode="T").encode(), "message-unsupported"),
        (a_message(obx(), version="3.0").encode(), "message-unsupported"),
    ],
)
@on_sqlite
def test_what_is_no_message_is_rejected_with_an_acknowledgement_of_its_own(api, data, code):
    response = send(api, data)
    assert response.status_code == 422
    assert ack(response)[0] == "AR"
    assert code in response.text


@on_sqlite
def test_a_message_is_recorded_and_acknowledged_and_names_are_left_at_the_door(api, caplog):
    caplog.set_level("DEBUG")
    case_id = api.put_case(specimen_barcode=TUBE)
    response = send(api, a_message(obx(), tube=TUBE))
    assert (response.status_code, response.content_type) == (200, "application/hl7-v2")
    assert ack(response) == ("AA", "M-1")
    assert ack(send(api, a_message(obx(), tube=TUBE))) == ("AA", "M-1")
    assert api.get(f"/cases/{case_id}")["label"]["hb_value"] == "10.4"
    for message in (
        a_message(obx("MARK-VALUE"), tube=TUBE),
        a_message(obx(), kind="MARK^X"),
        a_message(obx("<5\\ZM\\")),
    ):
        send(api, message)
    with api.parts.database.read() as connection:
        held = [connection.execute(select(table)).all() for table in (lab_results, lab_reports, audit_values)]
    assert len(held[0]) == 1
    assert "MARK" not in str(held) + caplog.text


@on_sqlite
def test_each_haemoglobin_is_by_itself_and_the_answer_says_where_one_was_refused(api):
    case_id = api.put_case()
    two = a_message(obx(), case_id=case_id, pid="PID|1") + "OBR|2||L-2||||20261101130000+0000\r" + obx("<5", number=2)
    response = send(api, two + "\r")
    assert (response.status_code, ack(response)[0]) == (422, "AE")
    (error,) = hl7.parse(response.text).segments("ERR")
    assert (str(error(2)), str(error(4)), str(error(5))) == ("OBX^2", "E", "hb-only-a-bound")
    assert api.get(f"/cases/{case_id}")["label"]["hb_value"] == "10.4"


@on_sqlite
def test_what_is_kept_for_later_is_taken_and_said(api):
    response = send(api, a_message(obx(), tube=new_barcode()))
    assert ack(response)[0] == "AA"
    assert "|I|waiting: case-not-here" in response.text


@on_sqlite
def test_a_correction_after_the_final_supersedes_it_and_a_late_final_does_not(api):
    case_id = api.put_case(specimen_barcode=TUBE)
    final = a_message(obx(), tube=TUBE)
    corrected = a_message(obx("9.8", status="C"), tube=TUBE, reported="20261101150000+0000")
    late = a_message(obx("10.5"), tube=TUBE, reported="20261101133100+0000")
    for message in (final, corrected, final, late):
        assert ack(send(api, message))[0] == "AA"
    assert api.get(f"/cases/{case_id}")["label"]["hb_value"] == "9.8"
    send(api, a_message(obx(status="D"), tube=TUBE, reported="20261101160000+0000"))
    assert api.get(f"/cases/{case_id}")["label"] is None


@on_sqlite
def test_over_mllp_one_system_speaks_for_its_site(api):
    case_id = api.put_case(specimen_barcode=TUBE)

    async def conversation():
        async with listening(api) as (host, port, _):
            answers = [await say(host, port, a_message(obx(), tube=TUBE)), await say(host, port, "MSH|^~\\&|x")]
            set_device_state(api.parts.database, api.clock, "lab-1", DeviceState.RETIRED, by="operator")
            return [*answers, await say(host, port, a_message(obx(), tube=TUBE))]

    assert [str(answer.segment("MSA")(1)) for answer in asyncio.run(conversation())] == ["AA", "AR", "AR"]
    assert api.get(f"/cases/{case_id}")["label"]["hb_value"] == "10.4"


@on_sqlite
def test_over_mllp_several_messages_come_one_after_the_other_and_what_is_no_block_ends_it(api):
    async def conversation():
        async with listening(api) as (host, port, _):
            reader, writer = await open_hl7_connection(host, port, encoding="latin-1")
            for _ in range(3):
                writer.writeblock(a_message(obx(), tube=TUBE).encode())
                assert str((await reader.readmessage()).segment("MSA")(1)) == "AA"
            writer.write(b"GET / HTTP/1.1\r\n\r\n\x1c\r")
            ended = await reader.read()
            writer.close()
            return ended

    assert asyncio.run(conversation()) == b""


@on_sqlite
def test_over_a_network_it_takes_tls_and_a_certificate_that_is_known(api, tmp_path):
    server, client = certificates(tmp_path)
    with pytest.raises(BindNotSafe):
        Wire("0.0.0.0", 0).context()  # noqa: S104
    wire = Wire("127.0.0.1", 0, *server, client_authority=tmp_path / "authority.pem")

    async def conversation():
        async with listening(api, wire) as (host, port, _):
            context = ssl.create_default_context(cafile=tmp_path / "authority.pem")
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await say(host, port, a_message(obx(), tube=TUBE), ssl=context)
            context.load_cert_chain(*client)
            return await say(host, port, a_message(obx(), tube=TUBE), ssl=context)

    assert str(asyncio.run(conversation()).segment("MSA")(1)) == "AA"


@pytest.mark.parametrize("name", ["test-lab", "test-field", "nobody"])
@on_sqlite
def test_only_a_laboratorys_system_of_one_site_speaks_over_mllp(api, name):
    with pytest.raises(SenderOut):  # test-lab belongs to two
        sender_of(api.parts.database, name)


@pytest.mark.slow
def test_the_command_listens_until_it_is_told_to_stop(sqlite_url):
    database = Database(sqlite_url)
    let_in(database, HandClock())
    enrol(database, HandClock())
    database.close()
    command = [sys.executable, "-m", "backend", "hl7", "lab-1"]
    environment = {
        "PALLOR_DATABASE_URL": sqlite_url,
        "PALLOR_HL7_BIND": f"127.0.0.1:{free_port()}",
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        port = int(process.stdout.readline().rsplit(" ", 1)[1])
        answer = asyncio.run(say("127.0.0.1", port, a_message(obx(), tube=TUBE)))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert str(answer.segment("MSA")(1)) == "AA"


ROOT = Path(__file__).parents[2]


def the_line(text):
    """The one line of a message, as the laboratory's verb takes it."""
    (found,) = read_message(text if isinstance(text, bytes) else text.encode(), UTC)
    assert found.refusal is None, found.refusal
    return to_line(found.given, NOW)


def refusals(text):
    """Of each haemoglobin in a message, by which code it is refused, None when it is not; or why the whole is."""

    def why(found):
        if found.refusal is not None:
            return found.refusal.code()
        try:
            to_line(found.given, NOW)
        except Refused as refusal:
            return refusal.code()

    try:
        return [why(found) for found in read_message(text.encode(), UTC)]
    except Refused as refusal:
        return [refusal.code()]


def send(api, message):
    data = message if isinstance(message, bytes) else message.encode()
    return api.call("POST", "/hl7v2", "lab", data=data, content_type="application/hl7-v2")


def ack(response):
    """Code and control id of an acknowledgement."""
    msa = hl7.parse(response.text).segment("MSA")
    return str(msa(1)), str(msa(2)) if len(msa) > 2 else ""


async def say(host, port, message, **how):
    reader, writer = await open_hl7_connection(host, port, encoding="latin-1", **how)
    try:
        writer.writeblock(message.encode())
        return await asyncio.wait_for(reader.readmessage(), 20)
    finally:
        writer.close()


@asynccontextmanager
async def listening(api, wire=None):
    enrol(api.parts.database, api.clock)
    laboratory, port = Laboratory(api.parts.database, api.clock, "who-2024"), asyncio.get_running_loop().create_future()
    wire = wire or Wire("127.0.0.1", 0)
    server = asyncio.create_task(serve_mllp(wire, laboratory, "lab-1", UTC, port.set_result))
    try:
        yield "127.0.0.1", await port, server
    finally:
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)


def enrol(database, clock):
    here = frozenset({"kumasi-1"})
    add_device(database, clock, "lab-1", DeviceKind.LAB_SYSTEM, here, timedelta(days=1), by="operator")


def certificates(folder):
    """Files of a server's and a client's certificate with their keys, both of one authority."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    signed = partial(certificate, authority_key)
    signed(folder / "authority.pem", "authority", authority_key, authority=True)
    made = []
    for name in ("server", "client"):
        key, files = ec.generate_private_key(ec.SECP256R1()), (folder / f"{name}.pem", folder / f"{name}.key")
        signed(files[0], name, key)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        files[1].write_bytes(key.private_bytes(*form))
        made.append(files)
    return made


def certificate(authority_key, file, name, key, *, authority=False):
    today = datetime.now(UTC)
    names = {n: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (name, "authority")}
    builder = x509.CertificateBuilder(names["authority"], names[name], key.public_key(), x509.random_serial_number())
    made = (
        builder.not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
