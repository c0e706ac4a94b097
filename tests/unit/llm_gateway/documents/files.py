"""Small files of every format, made here."""

import io
import zipfile

import docx


def docx_file(*, doctype: bool = False) -> bytes:
    """A document with headings, a paragraph, a list and a table."""
    document = docx.Document()
    document.core_properties.title = "The Guide"
    document.add_heading("Guide", 0)
    document.add_heading("Setup", 1)
    document.add_paragraph("The storage service keeps documents.")
    document.add_paragraph("first", style="List Bullet")
    document.add_paragraph("second", style="List Bullet")
    table = document.add_table(2, 2)
    table.cell(0, 0).text, table.cell(1, 1).text = "name", "value"
    held = io.BytesIO()
    document.save(held)
    if not doctype:
        return held.getvalue()
    made = io.BytesIO()
    with zipfile.ZipFile(held) as source, zipfile.ZipFile(made, "w") as target:
        for part in source.infolist():
            content = source.read(part)
            if part.filename == "word/document.xml":
                content = content.replace(b"<w:document", b'<!DOCTYPE x [<!ENTITY a "b">]><w:document', 1)
            target.writestr(part.filename, content)
    return made.getvalue()


def bomb(megabytes: int) -> bytes:
    """A DOCX that unpacks to that much."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<a/>")
        archive.writestr("word/document.xml", b"0" * (megabytes << 20))
    return held.getvalue()


def pdf_file(*texts: str, pages: int = 0) -> bytes:
    """A PDF with a page for each text; `pages` says how many it has instead, all of them the first."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in texts:
        stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        content = len(objects)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {content} 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    kids = kids[:1] * pages if pages else kids
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = len(out)
    rows = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    count = len(objects) + 1
    trailer = f"trailer << /Size {count} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF"
    return out + f"xref\n0 {count}\n0000000000 65535 f \n{rows}{trailer}".encode()
